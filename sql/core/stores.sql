-- name: session_settings
-- A process that stalls inside a transaction does not keep its locks: the server ends the session.
-- Nothing is compiled ahead of a statement: searches for a batch look costly enough, and it doubles
-- their time.
SELECT set_config('idle_in_transaction_session_timeout', %(milliseconds)s::text, false),
       set_config('jit', 'off', false);

-- name: ping
-- Whether the database answers.
SELECT 1;
