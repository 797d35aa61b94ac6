-- name: session_settings
-- A process that stalls inside a transaction does not keep its locks: the server ends the session.
SELECT set_config('idle_in_transaction_session_timeout', %(milliseconds)s::text, false);

-- name: ping
-- Whether the database answers.
SELECT 1;

-- name: database_size
-- How large the database is, with its indexes.
SELECT pg_database_size(current_database());
