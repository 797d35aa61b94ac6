-- name: summarize
-- The freshness contract: how much of each kind is fresh, and how old the oldest stale key is.
SELECT kind,
    count(*) AS total,
    count(*) FILTER (WHERE wanted = done) AS fresh,
    count(*) FILTER (WHERE wanted > done AND dead_at IS NULL) AS stale,
    count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead,
    extract(epoch FROM now() - min(stale_since) FILTER (WHERE dead_at IS NULL))::float8 AS oldest_stale_s
FROM freshness GROUP BY kind;
