-- name: read_ids
-- Everyone with a vector of the current model.
SELECT student_id FROM student_embeddings
WHERE model = %(model)s AND dimensions = %(dimensions)s ORDER BY student_id;

-- name: read_vectors
-- The named students' vectors of the current model.
SELECT student_id, vec FROM student_embeddings
WHERE student_id = ANY(%(ids)s) AND model = %(model)s AND dimensions = %(dimensions)s;

-- name: read_lists
-- The edges of some lists.
SELECT a, b, sim FROM student_similarity WHERE a = ANY(%(ids)s);

-- name: find_other_models
-- Whether some students still have a vector of another model.
SELECT EXISTS (
    SELECT FROM student_embeddings WHERE model <> %(model)s OR dimensions <> %(dimensions)s
);

-- name: delete_lists
-- Some lists, whole: after a change of model they may hold edges that no copy of the graph knows of.
DELETE FROM student_similarity WHERE a = ANY(%(ids)s);
