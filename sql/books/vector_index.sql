-- name: count_vectors
-- How many books the current model knows.
SELECT count(*) FROM book_embeddings WHERE model = %(model)s AND dimensions = %(dimensions)s;

-- name: find_index
-- How many books a usable index of this name has, as of its last vacuum; a CONCURRENTLY build that
-- died leaves it unusable.
SELECT greatest(c.reltuples, 0)::int8
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
WHERE c.relname = %(name)s AND i.indrelid = 'book_embeddings'::regclass AND i.indisvalid;

-- name: find_other_indexes
-- Indexes over vectors of models that are not the current one.
SELECT c.relname
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
WHERE i.indrelid = 'book_embeddings'::regclass AND c.relname <> %(name)s
  AND c.relname LIKE 'book_embeddings_hnsw_%%';

-- name: drop_index
-- Clear away what a killed build or another model left behind.
DROP INDEX CONCURRENTLY IF EXISTS {name};

-- name: create_index
-- HNSW over one model's vectors. Partial, so that vectors of different models are never compared. With
-- more links and a wider search than by default while it is built: of the ten nearest of a title it
-- misses one in a hundred then and not one in 25, for searches of the same width.
CREATE INDEX CONCURRENTLY {name} ON book_embeddings
USING hnsw ((vec::halfvec({dimensions})) halfvec_cosine_ops) WITH (m = 24, ef_construction = 200)
WHERE model = {model} AND dimensions = {dimensions};

-- name: build_in_memory
-- For the builds of this session: so much, if it does not have more already, of its own process.
-- Parallel builds share it, and containers have little memory to share.
SELECT set_config('maintenance_work_mem', greatest(
    pg_size_bytes(current_setting('maintenance_work_mem')), pg_size_bytes(%(memory)s)
) / 1024 || 'kB', false), set_config('max_parallel_maintenance_workers', '0', false);
