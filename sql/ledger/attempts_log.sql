-- name: list_attempts
-- The attempts at a key, newest first, from a cursor on.
SELECT attempt_id, kind, key, worker, started_at, ended_at, error, traceback
FROM attempts
WHERE kind = %(kind)s AND key = %(key)s
  AND (%(before)s::bigint IS NULL OR attempt_id < %(before)s::bigint)
ORDER BY attempt_id DESC LIMIT %(limit)s;
