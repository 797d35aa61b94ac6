-- name: vacuum_graph
-- Free the space of replaced vectors and edges; leaves out a table that something else holds.
VACUUM (SKIP_LOCKED, PARALLEL 0) student_embeddings, student_similarity;

-- name: vacuum_edges
-- Those of replaced edges alone.
VACUUM (SKIP_LOCKED, PARALLEL 0) student_similarity;
