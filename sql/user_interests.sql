-- name: read_weights
-- A row per post that any of the users acted on within the look-back: its vector once, and for each
-- user the sum of the weights and the number of actions. Sums are capped if there is a cap, and
-- older actions count less if there is a half-life.
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
), by_post AS (
    SELECT post_id, array_agg(place) AS places, array_agg(actions) AS actions,
        array_agg((greatest(-%(cap)s::float8, least(%(cap)s::float8, weight)))::real) AS weights
    FROM sums GROUP BY post_id
)
SELECT vector_send(e.embedding), places, weights, actions
FROM by_post b LEFT JOIN post_embeddings e ON e.post_id = b.post_id AND e.model = %(model)s;
