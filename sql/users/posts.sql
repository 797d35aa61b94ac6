-- name: load_posts
-- The claimed posts that still exist, with what their stored vector was made from. Stubs have
-- nothing to make a vector from.
SELECT p.post_id, p.text, p.embedding, CASE WHEN e.model = %(model)s THEN e.content_hash END AS content_hash
FROM posts p LEFT JOIN post_embeddings e USING (post_id)
WHERE p.post_id = ANY(%(keys)s) AND num_nonnulls(p.text, p.embedding) > 0;

-- name: store_embedding
-- The vector with what it was made from and because of which event.
INSERT INTO post_embeddings (post_id, model, content_hash, embedding, last_event)
VALUES (%(post_id)s, %(model)s, %(content_hash)s, %(embedding)b, %(last_event)s)
ON CONFLICT (post_id) DO UPDATE SET
    model = excluded.model, content_hash = excluded.content_hash, embedding = excluded.embedding,
    last_event = excluded.last_event, updated_at = now();
