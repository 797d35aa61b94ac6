-- name: read_weights
-- What the users did within the look-back, summed up per user and post: the user's place, the post,
-- the weight, the number of actions. Arrays in one row, those of numbers as bytes, which NumPy reads
-- without touching each number. Sums are capped if there is a cap, and older actions count less if
-- there is a half-life.
WITH u AS (
    SELECT user_id, place::integer - 1 AS place
    FROM unnest(%(user_ids)s::text[]) WITH ORDINALITY AS u (user_id, place)
), w AS (
    SELECT * FROM unnest(%(actions)s::text[], %(weights)s::float8[]) AS w (action, weight)
), sums AS (
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
)
SELECT array_send(array_agg(place)), array_agg(post_id),
    array_send(array_agg((greatest(-%(cap)s::float8, least(%(cap)s::float8, weight)))::real)),
    array_send(array_agg(actions))
FROM sums;

-- name: read_vectors
-- The vectors of the posts, as bytes.
SELECT post_id, vector_send(embedding) FROM post_embeddings
WHERE post_id = ANY(%(post_ids)s) AND model = %(model)s;

-- name: set_memory
-- For this transaction: a batch's sums stay in memory.
SELECT set_config('work_mem', '128MB', true);
