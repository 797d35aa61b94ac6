-- name: count_users
-- How many users have a vector.
SELECT count(*) FROM user_embeddings;

-- name: find_indexes
-- The vector indexes over users, usable ones first, with their number of lists. A CONCURRENTLY
-- build that died leaves an unusable one.
SELECT c.relname, i.indisvalid, substring(c.relname FROM '[0-9]+$')::integer AS lists
FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
WHERE i.indrelid = 'user_embeddings'::regclass AND c.relname LIKE 'user_embeddings_ivfflat_%%'
ORDER BY i.indisvalid DESC, lists;

-- name: drop_index
-- Clear away an index that has been replaced, or what a killed build left behind.
DROP INDEX CONCURRENTLY IF EXISTS {name};

-- name: create_index
-- Lists of near users around centres that the present users decide.
CREATE INDEX CONCURRENTLY {name} ON user_embeddings
USING ivfflat ((embedding::halfvec(384)) halfvec_cosine_ops) WITH (lists = {lists});
