-- name: find_outdated
-- A slice of the posts whose vectors are of another model, without those that are dead.
SELECT e.post_id FROM post_embeddings e
WHERE e.model <> %(model)s AND e.post_id > %(after)s
  AND NOT EXISTS (SELECT FROM freshness f
                  WHERE f.kind = 'post_embedding' AND f.key = e.post_id AND f.dead_at IS NOT NULL)
ORDER BY e.post_id LIMIT %(most)s;
