-- name: score_posts
-- Engagement from the actions within the look-back; posts without any lose theirs.
WITH w AS (
    SELECT * FROM unnest(%(actions)s::text[], %(weights)s::float8[]) AS w (action, weight)
), summed AS MATERIALIZED (
    SELECT a.post_id, sum(w.weight) AS weight
    FROM action_log a JOIN w USING (action)
    WHERE a.created_at > %(since)s
    GROUP BY a.post_id HAVING sum(w.weight) > 0
), cold AS (
    DELETE FROM post_engagement e
    WHERE NOT EXISTS (SELECT FROM summed s WHERE s.post_id = e.post_id)
)
INSERT INTO post_engagement AS e (post_id, weight, engagement)
SELECT post_id, weight, ln(1 + weight) / ln(1 + max(weight) OVER ()) FROM summed
ORDER BY post_id
ON CONFLICT (post_id) DO UPDATE SET weight = excluded.weight, engagement = excluded.engagement
WHERE (e.weight, e.engagement) IS DISTINCT FROM (excluded.weight, excluded.engagement);
