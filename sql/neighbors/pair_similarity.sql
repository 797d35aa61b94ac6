-- name: set_one_pass
-- For the transaction that compares so many pairs that one pass over all vectors takes less than
-- looking up each. The order of joins is as written: whoever is passed is looked up among the pairs.
SELECT set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('join_collapse_limit', '1', true), set_config('work_mem', '64MB', true),
       set_config('max_parallel_workers_per_gather', '0', true);

-- name: compare_pairs
-- The exact similarity of pairs of students: the places of those that both have a vector, and what
-- it is there. Pairs are in order of their first students, the owners; `starts` are the places where
-- each owner's pairs begin. The second ones are lines of one text, which costs much less than an
-- array.
WITH x AS MATERIALIZED (
    SELECT array_position(%(owners)b::text[], e.student_id) AS number, e.vec
    FROM student_embeddings e
    WHERE e.student_id = ANY(%(owners)b::text[]) AND e.model = {model} AND e.dimensions = {dimensions}
)
SELECT array_agg(line.place::integer), array_agg((1 - (x.vec <=> y.vec))::real)
FROM student_embeddings y
JOIN unnest((SELECT string_to_array(%(others)s, E'\n'))) WITH ORDINALITY AS line (student_id, place)
    USING (student_id)
JOIN x ON x.number = width_bucket(line.place::integer, %(starts)s::integer[])
WHERE y.model = {model} AND y.dimensions = {dimensions};
