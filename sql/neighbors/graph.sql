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

-- name: delete_strays
-- Edges from students of the current model to others, which no copy of the graph knows of, and
-- edges of students without any vector. Lists of students that wait to be embedded by the current
-- model stay as they are until then.
DELETE FROM student_similarity e
WHERE EXISTS (
    SELECT FROM student_embeddings v
    WHERE v.student_id = e.a AND v.model = %(model)s AND v.dimensions = %(dimensions)s
) AND NOT EXISTS (
    SELECT FROM student_embeddings v
    WHERE v.student_id = e.b AND v.model = %(model)s AND v.dimensions = %(dimensions)s
) OR NOT EXISTS (SELECT FROM student_embeddings v WHERE v.student_id = e.a)
RETURNING a;
