-- name: search_index
-- The nearest vectors of the same model for every claimed student. Index order is by halfvec, the
-- similarity is exact. Model and dimension are literals, because the index is partial on them.
SELECT q.student_id AS a, n.student_id AS b, 1 - (n.vec <=> q.vec) AS sim
FROM student_embeddings q
CROSS JOIN LATERAL (
    SELECT e.student_id, e.vec
    FROM student_embeddings e
    WHERE e.model = {model} AND e.dimensions = {dimensions}
    ORDER BY e.vec::halfvec({dimensions}) <=> q.vec::halfvec({dimensions})
    LIMIT %(limit)s
) n
WHERE q.student_id = ANY(%(keys)s) AND q.model = {model} AND q.dimensions = {dimensions}
  AND n.student_id <> q.student_id;

-- name: set_ef_search
-- How far a search looks around in the index, for this transaction.
SELECT set_config('hnsw.ef_search', %(ef_search)s::text, true);

-- name: lock_members
-- Students that still have a vector; they keep it until the lists are written.
SELECT student_id FROM student_embeddings WHERE student_id = ANY(%(ids)s)
ORDER BY student_id FOR KEY SHARE;

-- name: delete_lists
-- The old lists, out of sight until the new ones are in.
DELETE FROM student_similarity WHERE a = ANY(%(keys)s);

-- name: copy_edges
-- The new lists.
COPY student_similarity (a, b, sim, last_event) FROM STDIN WITH (FORMAT binary);
