-- name: recommend
-- The nearest posts that the user has done nothing with, ranked. Whether a post is seen is asked
-- per post as the index yields it (a scalar subquery cannot become a join, which would take all
-- posts first), and the scan goes on until there are enough.
WITH me AS MATERIALIZED (
    SELECT embedding FROM user_embeddings WHERE user_id = %(user_id)s AND model_version = %(model)s
), near AS MATERIALIZED (
    SELECT e.post_id, e.embedding
    FROM post_embeddings e
    WHERE e.model = %(model)s
      AND (SELECT true FROM action_log a
           WHERE a.post_id = e.post_id AND a.user_id = %(user_id)s LIMIT 1) IS NULL
    ORDER BY e.embedding::halfvec(384) <=> (SELECT embedding::halfvec(384) FROM me)
    LIMIT %(candidates)s
), terms AS (
    SELECT near.post_id, p.created_at, similarity(near.embedding, me.embedding) AS similarity,
        -- Underflow is an error in Postgres, so a thousand half-lives are as old as it gets.
        power(0.5, least(1000, greatest(0, extract(epoch FROM now() - p.created_at)::float8
            / 86400 / %(recency_half_life_days)s::float8))) AS recency,
        coalesce(g.engagement, 0)::float8 AS engagement
    FROM near CROSS JOIN me JOIN posts p USING (post_id) LEFT JOIN post_engagement g USING (post_id)
)
SELECT post_id, created_at, similarity, recency, engagement,
    %(similarity_weight)s::float8 * similarity + %(recency_weight)s::float8 * recency
        + %(engagement_weight)s::float8 * engagement AS score
FROM terms ORDER BY score DESC, post_id LIMIT %(limit)s;

-- name: recommend_popular
-- For users without a vector: the most engaging and the newest posts that they have done nothing
-- with, ranked without a similarity.
WITH candidates AS (
    (SELECT g.post_id FROM post_engagement g JOIN posts p USING (post_id)
     WHERE p.created_at IS NOT NULL
       AND (SELECT true FROM action_log a
            WHERE a.post_id = g.post_id AND a.user_id = %(user_id)s LIMIT 1) IS NULL
     ORDER BY g.engagement DESC LIMIT %(candidates)s)
    UNION
    (SELECT p.post_id FROM posts p
     WHERE p.created_at IS NOT NULL
       AND (SELECT true FROM action_log a
            WHERE a.post_id = p.post_id AND a.user_id = %(user_id)s LIMIT 1) IS NULL
     ORDER BY p.created_at DESC LIMIT %(candidates)s)
), terms AS (
    SELECT p.post_id, p.created_at,
        power(0.5, least(1000, greatest(0, extract(epoch FROM now() - p.created_at)::float8
            / 86400 / %(recency_half_life_days)s::float8))) AS recency,
        coalesce(g.engagement, 0)::float8 AS engagement
    FROM candidates JOIN posts p USING (post_id) LEFT JOIN post_engagement g USING (post_id)
)
SELECT post_id, created_at, NULL::float8 AS similarity, recency, engagement,
    %(recency_weight)s::float8 * recency + %(engagement_weight)s::float8 * engagement AS score
FROM terms ORDER BY score DESC, post_id LIMIT %(limit)s;
