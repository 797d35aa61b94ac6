-- name: store_embeddings
-- The vectors of a batch. The time of the last write is also the version of the copy in Redis; it
-- is the clock's and not the transaction's, which may have begun before another one wrote.
INSERT INTO user_embeddings AS e
    (user_id, embedding, model_version, generated_at, updated_at, created_by, last_event)
SELECT n.user_id, n.embedding, %(model_version)s, c.time, c.time, %(created_by)s, n.last_event
FROM unnest(%(user_ids)s::text[], %(embeddings)b::vector[], %(last_events)s::uuid[])
     AS n (user_id, embedding, last_event)
CROSS JOIN (SELECT clock_timestamp() AS time) c
ORDER BY n.user_id
ON CONFLICT (user_id) DO UPDATE SET
    embedding = excluded.embedding, model_version = excluded.model_version,
    updated_at = excluded.updated_at, created_by = excluded.created_by,
    last_event = excluded.last_event
RETURNING user_id, embedding::text, model_version, created_by,
    to_char(generated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS generated_at,
    to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS updated_at,
    (extract(epoch FROM updated_at) * 1000000)::bigint AS version;

-- name: store_reasons
-- Why there is no vector, or that there is one now.
UPDATE users u SET reason = n.reason
FROM unnest(%(user_ids)s::text[], %(reasons)s::text[]) AS n (user_id, reason)
WHERE u.user_id = n.user_id AND u.reason IS DISTINCT FROM n.reason;
