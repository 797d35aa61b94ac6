-- name: find_users
-- Those of the users that are known.
SELECT user_id FROM users WHERE user_id = ANY(%(user_ids)s);
