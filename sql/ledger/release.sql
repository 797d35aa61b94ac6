-- name: release_held
-- Let the stalest waiting keys be due.
WITH called AS (
    SELECT kind, key FROM freshness
    WHERE kind = %(kind)s AND wanted > done AND dead_at IS NULL AND not_before = 'infinity'
      AND stale_since <= %(until)s
    ORDER BY stale_since LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
)
UPDATE freshness f SET not_before = now(), last_sent = now()
FROM called WHERE f.kind = called.kind AND f.key = called.key
RETURNING f.key;

-- name: release_named
-- Let the named keys be due if they are stale.
UPDATE freshness SET not_before = now(), last_sent = now()
WHERE kind = %(kind)s AND key = ANY(%(keys)s) AND wanted > done AND dead_at IS NULL
  AND lease_token IS NULL;

-- name: count_due
-- How many keys are due or being worked on, or wait since before a time.
SELECT count(*) FROM freshness
WHERE kind = %(kind)s AND wanted > done AND dead_at IS NULL
  AND (not_before <= now() OR not_before = 'infinity' AND stale_since <= %(until)s);
