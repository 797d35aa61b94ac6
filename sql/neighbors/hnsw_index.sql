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

-- name: build_in_memory
-- For the builds of this session: so much, if it does not have more already, of its own process.
-- Parallel builds share it, and containers have little memory to share.
SELECT set_config('maintenance_work_mem', greatest(
    pg_size_bytes(current_setting('maintenance_work_mem')), pg_size_bytes(%(memory)s)
) / 1024 || 'kB', false), set_config('max_parallel_maintenance_workers', '0', false);

-- name: vacuum_seldom
-- Taking a replaced vector out of the index mends the links of all its neighbours there: a fiftieth
-- of the students costs more than half of what a fifth does.
ALTER TABLE student_embeddings SET (autovacuum_vacuum_scale_factor = 0.2);
