-- name: count_graph
-- Completeness of the graph: who has a vector, who has a list, how fresh the lists are.
SELECT
    (SELECT count(*) FROM students) AS students,
    (SELECT count(*) FROM student_embeddings
     WHERE model = %(model)s AND dimensions = %(dimensions)s) AS with_vector,
    (SELECT count(*) FROM student_embeddings v
     WHERE model = %(model)s AND dimensions = %(dimensions)s
       AND EXISTS (SELECT FROM student_similarity e WHERE e.a = v.student_id)) AS with_neighbors,
    (SELECT count(*) FROM student_similarity e
     JOIN freshness f ON f.kind = 'student_neighbors' AND f.key = e.a
     WHERE f.wanted > f.done) AS stale_rows;

-- name: read_percentiles
-- The distribution of similarity over the places that readers see.
SELECT percentile_cont(ARRAY[0.05, 0.5, 0.95]) WITHIN GROUP (ORDER BY sim)
FROM (
    SELECT sim, row_number() OVER (PARTITION BY a ORDER BY sim DESC, b) AS place
    FROM student_similarity
) ranked WHERE place <= %(shown)s;

-- name: read_sample
-- Some students of the current model, different ones each time.
SELECT student_id FROM student_embeddings
WHERE model = %(model)s AND dimensions = %(dimensions)s
ORDER BY random() LIMIT %(most)s;

-- name: store_check
-- Keep what a check found.
INSERT INTO neighbor_checks (figures) VALUES (%(figures)s);

-- name: read_last_check
-- What the newest check found.
SELECT figures FROM neighbor_checks ORDER BY checked_at DESC LIMIT 1;
