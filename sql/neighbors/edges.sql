-- name: delete_edges
-- Edges that are no more.
DELETE FROM student_similarity e USING unnest(%(a)b::text[], %(b)b::text[]) AS gone (a, b)
WHERE e.a = gone.a AND e.b = gone.b;

-- name: update_edges
-- Edges whose other end moved: their similarity is corrected in place.
UPDATE student_similarity e SET sim = moved.sim::real, last_event = moved.last_event
FROM unnest(%(a)b::text[], %(b)b::text[], %(sim)b::float8[], %(last_event)s::uuid[])
     AS moved (a, b, sim, last_event)
WHERE e.a = moved.a AND e.b = moved.b;

-- name: copy_edges
-- New edges.
COPY student_similarity (a, b, sim, last_event) FROM STDIN WITH (FORMAT binary);

-- name: write_settings
-- For the transaction that writes edges: thousands of keys, each found by the primary key, where a
-- plan made for their number would scan the table.
SELECT set_config('plan_cache_mode', 'force_generic_plan', true);
