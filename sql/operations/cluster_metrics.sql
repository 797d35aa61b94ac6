-- name: database_size
-- How large the database is, with its indexes.
SELECT pg_database_size(current_database());
