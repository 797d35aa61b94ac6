-- name: list_groups
-- Dead letters by kind and error, the largest groups first.
SELECT kind, coalesce(error_group, '') AS error, count(*) AS count,
    min(dead_at) AS first_dead_at, max(dead_at) AS last_dead_at
FROM freshness
WHERE dead_at IS NOT NULL AND (%(kind)s::text IS NULL OR kind = %(kind)s)
GROUP BY kind, error_group ORDER BY count(*) DESC, kind, error_group LIMIT %(limit)s;

-- name: count_letters
-- How many dead letters a kind has, or a group of its errors.
SELECT count(*) FROM freshness
WHERE kind = %(kind)s AND dead_at IS NOT NULL
  AND (%(error_group)s::text IS NULL OR error_group = %(error_group)s);

-- name: list_letters
-- The dead letters of a kind, newest first, from a cursor on.
SELECT kind, key, error, coalesce(error_group, '') AS error_group, dead_at, attempts, stale_since,
    last_event
FROM freshness
WHERE kind = %(kind)s AND dead_at IS NOT NULL
  AND (%(before)s::timestamptz IS NULL OR (dead_at, key) < (%(before)s::timestamptz, %(before_key)s))
  AND (%(search)s::text IS NULL OR position(%(search)s in key) > 0)
ORDER BY dead_at DESC, key DESC LIMIT %(limit)s;

-- name: list_letters_of_group
-- The same of one group of errors.
SELECT kind, key, error, coalesce(error_group, '') AS error_group, dead_at, attempts, stale_since,
    last_event
FROM freshness
WHERE kind = %(kind)s AND dead_at IS NOT NULL AND error_group = %(error_group)s
  AND (%(before)s::timestamptz IS NULL OR (dead_at, key) < (%(before)s::timestamptz, %(before_key)s))
  AND (%(search)s::text IS NULL OR position(%(search)s in key) > 0)
ORDER BY dead_at DESC, key DESC LIMIT %(limit)s;

-- name: read_tracebacks
-- The traceback of each key's last failed attempt.
SELECT wanted.key, last.traceback
FROM unnest(%(keys)s::text[]) AS wanted (key)
JOIN LATERAL (
    SELECT traceback FROM attempts a
    WHERE a.kind = %(kind)s AND a.key = wanted.key AND a.traceback IS NOT NULL
    ORDER BY a.wanted DESC, a.attempt_id DESC LIMIT 1
) last ON true;

-- name: find_keys
-- A slice of the dead keys of a kind, in key order; all of them, or those of a group of errors.
SELECT key FROM freshness
WHERE kind = %(kind)s AND dead_at IS NOT NULL AND key > %(after)s
  AND (%(error_group)s::text IS NULL OR error_group = %(error_group)s)
ORDER BY key LIMIT %(most)s;

-- name: revive
-- Dead keys get a new chance, at once. Sent by whoever calls this.
WITH dead AS (
    SELECT kind, key FROM freshness
    WHERE kind = %(kind)s AND key = ANY(%(keys)s) AND dead_at IS NOT NULL
    ORDER BY key FOR UPDATE
)
UPDATE freshness f SET
    dead_at = NULL, attempts = 0, error = NULL, not_before = now(), last_sent = now()
FROM dead WHERE f.kind = dead.kind AND f.key = dead.key
RETURNING f.key;

-- name: lock_dead
-- Those of the keys that are dead, locked in order.
SELECT key FROM freshness
WHERE kind = %(kind)s AND key = ANY(%(keys)s) AND dead_at IS NOT NULL
ORDER BY key FOR UPDATE;
