-- name: store_minute
-- This minute's figures; the first scheduler to come stores them.
INSERT INTO minutes (minute, figures) VALUES (date_trunc('minute', now()), %(figures)s)
ON CONFLICT DO NOTHING;

-- name: prune_minutes
-- Older than any plot.
DELETE FROM minutes WHERE minute < now() - interval '2 days';

-- name: read_minutes
-- Every n-th minute from a time on; counters only grow, so that their differences are exact.
SELECT minute, figures FROM minutes
WHERE minute >= now() - make_interval(mins => %(span_minutes)s::int + %(step_minutes)s::int)
  AND mod(extract(epoch FROM minute)::bigint / 60, %(step_minutes)s::int) = 0
ORDER BY minute;
