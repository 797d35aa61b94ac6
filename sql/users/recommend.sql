-- name: set_search
-- For this transaction: how far a search looks around in the index, that it goes on when too much
-- of what it finds is filtered out, and that an index's pages cost hardly more than a table's.
SELECT set_config('hnsw.ef_search', %(ef_search)s::text, true),
       set_config('hnsw.iterative_scan', 'relaxed_order', true),
       set_config('random_page_cost', '1.1', true);

-- name: recommend
-- The nearest posts that the user has done nothing with, ranked. Whether a post is seen is asked
-- per post as the index yields it (a scalar subquery cannot become a join, which would take all
-- posts first), and the scan goes on until there are enough. With `coalesce` the planner expects
-- half of them to be unseen; of `IS NULL` it expects a few in a thousand, and avoids the index.
WITH me AS MATERIALIZED (
    SELECT embedding FROM user_embeddings WHERE user_id = %(user_id)s AND model_version = %(model)s
), near AS MATERIALIZED (
    SELECT e.post_id, e.embedding
    FROM post_embeddings e
    WHERE e.model = %(model)s
      AND coalesce((SELECT false FROM action_log a
           WHERE a.post_id = e.post_id AND a.user_id = %(user_id)s LIMIT 1), true)
    ORDER BY e.embedding::halfvec(384) <=> (SELECT embedding::halfvec(384) FROM me)
    LIMIT %(candidates)s
), found AS MATERIALIZED (
    -- Scalar subqueries, so that these are looked up and not joined to whole tables.
    SELECT near.post_id, similarity(near.embedding, (SELECT embedding FROM me)) AS similarity,
        (SELECT p.created_at FROM posts p WHERE p.post_id = near.post_id) AS created_at,
        (SELECT g.engagement FROM post_engagement g WHERE g.post_id = near.post_id) AS engagement
    FROM near
), terms AS (
    SELECT post_id, created_at, similarity,
        -- Underflow is an error in Postgres, so a thousand half-lives are as old as it gets.
        power(0.5, least(1000, greatest(0, extract(epoch FROM now() - created_at)::float8
            / 86400 / %(recency_half_life_days)s::float8))) AS recency,
        coalesce(engagement, 0)::float8 AS engagement
    FROM found
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
       AND coalesce((SELECT false FROM action_log a
            WHERE a.post_id = g.post_id AND a.user_id = %(user_id)s LIMIT 1), true)
     ORDER BY g.engagement DESC LIMIT %(candidates)s)
    UNION
    (SELECT p.post_id FROM posts p
     WHERE p.created_at IS NOT NULL
       AND coalesce((SELECT false FROM action_log a
            WHERE a.post_id = p.post_id AND a.user_id = %(user_id)s LIMIT 1), true)
     ORDER BY p.created_at DESC LIMIT %(candidates)s)
), found AS MATERIALIZED (
    SELECT c.post_id,
        (SELECT p.created_at FROM posts p WHERE p.post_id = c.post_id) AS created_at,
        (SELECT g.engagement FROM post_engagement g WHERE g.post_id = c.post_id) AS engagement
    FROM candidates c
), terms AS (
    SELECT post_id, created_at,
        power(0.5, least(1000, greatest(0, extract(epoch FROM now() - created_at)::float8
            / 86400 / %(recency_half_life_days)s::float8))) AS recency,
        coalesce(engagement, 0)::float8 AS engagement
    FROM found
)
SELECT post_id, created_at, NULL::float8 AS similarity, recency, engagement,
    %(recency_weight)s::float8 * recency + %(engagement_weight)s::float8 * engagement AS score
FROM terms ORDER BY score DESC, post_id LIMIT %(limit)s;
