-- name: set_ef_search
-- How far a search looks around in the index, for this transaction; further if it meets many
-- vectors that have been replaced and not been vacuumed yet.
SELECT set_config('hnsw.ef_search', %(ef_search)s::text, true),
       set_config('hnsw.iterative_scan', 'relaxed_order', true);

-- name: search_index
-- The nearest vectors of the same model for every named student. Index order is by halfvec, the
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
