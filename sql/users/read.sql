-- name: read_embedding
-- A user's vector as it stands in Redis.
SELECT user_id, embedding::text, model_version, created_by,
    to_char(generated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS generated_at,
    to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS updated_at,
    (extract(epoch FROM updated_at) * 1000000)::bigint AS version
FROM user_embeddings WHERE user_id = %(user_id)s;

-- name: read_state
-- Whether the user is known, why the last look at them made no vector, and whether there is one
-- that can be compared with the posts' now.
SELECT u.reason, e.user_id IS NOT NULL
FROM users u LEFT JOIN user_embeddings e ON e.user_id = u.user_id AND e.model_version = %(model)s
WHERE u.user_id = %(user_id)s;

-- name: set_search
-- For this transaction: that a search looks into a quarter of the lists, that it goes on when too
-- much of what it finds is filtered out, and that an index's pages cost hardly more than a table's.
SELECT set_config('ivfflat.probes', greatest(4, coalesce(max(lists), 1) / 4)::text, true),
       set_config('ivfflat.iterative_scan', 'relaxed_order', true),
       set_config('random_page_cost', '1.1', true)
FROM (SELECT substring(relname FROM '[0-9]+$')::integer AS lists FROM pg_class
      WHERE relname LIKE 'user_embeddings_ivfflat_%%') found;

-- name: find_similar
-- The users nearest to one. Index order is by halfvec, the similarity is exact.
WITH me AS MATERIALIZED (
    SELECT embedding FROM user_embeddings WHERE user_id = %(user_id)s AND model_version = %(model)s
), near AS MATERIALIZED (
    SELECT user_id, embedding FROM user_embeddings
    WHERE model_version = %(model)s AND user_id <> %(user_id)s
    ORDER BY embedding::halfvec(384) <=> (SELECT embedding::halfvec(384) FROM me)
    LIMIT %(limit)s
)
SELECT near.user_id, similarity(near.embedding, me.embedding) AS similarity
FROM near CROSS JOIN me
ORDER BY similarity DESC, near.user_id;
