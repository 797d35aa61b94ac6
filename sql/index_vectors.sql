-- name: count_vectors
-- How many students the current model knows.
SELECT count(*) FROM student_embeddings WHERE model = %(model)s AND dimensions = %(dimensions)s;

-- name: find_index
-- Whether an index of this name exists and is usable; a CONCURRENTLY build that died leaves it invalid.
SELECT i.indisvalid
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relname = %(name)s AND i.indrelid = 'student_embeddings'::regclass;

-- name: drop_index
-- Clear away what a killed build left behind.
DROP INDEX CONCURRENTLY IF EXISTS {name};

-- name: create_index
-- HNSW over one model's vectors, as halfvec: half the size at the same recall. Partial, so that
-- vectors of different models are never compared.
CREATE INDEX CONCURRENTLY {name} ON student_embeddings
USING hnsw ((vec::halfvec({dimensions})) halfvec_cosine_ops) WITH (m = 16, ef_construction = 64)
WHERE model = {model} AND dimensions = {dimensions};
