-- name: read_weights
-- What the users did within the look-back, summed up per user and post: places of user and post,
-- weight, number of actions. Then the posts' vectors, each once, in the order of their places. One
-- row of arrays as bytes, which NumPy reads without touching each number. Sums are capped if there
-- is a cap, and older actions count less if there is a half-life.
WITH u AS (
    SELECT user_id, place::integer - 1 AS place
    FROM unnest(%(user_ids)s::text[]) WITH ORDINALITY AS u (user_id, place)
), w AS (
    SELECT * FROM unnest(%(actions)s::text[], %(weights)s::float8[]) AS w (action, weight)
), sums AS MATERIALIZED (
    SELECT u.place, a.post_id, count(*)::integer AS actions,
        sum(CASE WHEN %(half_life_days)s::float8 IS NULL THEN w.weight ELSE
            -- Underflow is an error in Postgres, so a thousand half-lives are as old as it gets.
            w.weight * power(0.5, least(1000, greatest(0,
                extract(epoch FROM %(now)s::timestamptz - a.created_at)::float8
                / 86400 / %(half_life_days)s::float8)))
        END) AS weight
    FROM u JOIN action_log a USING (user_id) JOIN w USING (action)
    WHERE a.created_at > %(since)s
    GROUP BY u.place, a.post_id
), p AS MATERIALIZED (
    SELECT post_id, embedding, row_number() OVER () - 1 AS place
    FROM (SELECT DISTINCT post_id FROM sums) acted JOIN post_embeddings e USING (post_id)
    WHERE e.model = %(model)s
)
SELECT array_send(array_agg(s.place)),
    array_send(array_agg(coalesce(p.place, -1)::integer)),
    array_send(array_agg((greatest(-%(cap)s::float8, least(%(cap)s::float8, s.weight)))::real)),
    array_send(array_agg(s.actions)),
    (SELECT string_agg(vector_send(embedding), ''::bytea ORDER BY place) FROM p)
FROM sums s LEFT JOIN p USING (post_id);

-- name: set_memory
-- For this transaction: a batch's sums and vectors stay in memory.
SELECT set_config('work_mem', '128MB', true);
