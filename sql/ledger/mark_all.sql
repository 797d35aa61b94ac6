-- name: mark_slice
-- Make a slice of the keys of a kind stale, in key order; returns where the next slice begins.
WITH slice AS (
    SELECT key FROM freshness WHERE kind = %(kind)s AND key > %(after)s ORDER BY key LIMIT %(most)s
    FOR UPDATE
), raised AS (
    UPDATE freshness f SET wanted = f.wanted + 1, stale_since = coalesce(f.stale_since, now())
    FROM slice WHERE f.kind = %(kind)s AND f.key = slice.key AND f.dead_at IS NULL
    RETURNING f.key
)
SELECT max(slice.key), count(raised.key) FROM slice LEFT JOIN raised USING (key);
