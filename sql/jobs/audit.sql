-- name: begin_act
-- Somebody is about to do this.
INSERT INTO audit (key_name, action, target, body, request_id)
VALUES (%(key_name)s, %(action)s, %(target)s, %(body)s, %(request_id)s) RETURNING act_id;

-- name: end_act
-- How it went.
UPDATE audit SET status = %(status)s, error = %(error)s WHERE act_id = %(act_id)s;

-- name: list_acts
-- What was done, newest first, from a cursor on.
SELECT act_id, at, key_name, action, target, body, request_id, status, error FROM audit
WHERE %(before)s::bigint IS NULL OR act_id < %(before)s::bigint
ORDER BY act_id DESC LIMIT %(limit)s;
