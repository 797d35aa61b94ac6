-- name: vacuum_graph
-- Free the space of replaced vectors and edges; leaves out a table that something else holds.
VACUUM (SKIP_LOCKED, PARALLEL 0) student_embeddings, student_similarity;

-- name: vacuum_edges
-- Those of replaced edges alone.
VACUUM (SKIP_LOCKED, PARALLEL 0) student_similarity;

-- name: has_vector_index
-- Whether there is an index over vectors, of whatever model.
SELECT EXISTS (
    SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    WHERE i.indrelid = 'student_embeddings'::regclass AND m.amname = 'hnsw'
);
