-- name: end_session
-- A session is over before its cookie is; one whose cookie is over, too, is forgotten.
WITH expired AS (DELETE FROM ended_sessions WHERE ended_at < now() - interval '1 day')
INSERT INTO ended_sessions (digest) VALUES (%(digest)s) ON CONFLICT DO NOTHING;

-- name: has_ended
-- Whether somebody logged out of a session.
SELECT EXISTS (SELECT FROM ended_sessions WHERE digest = %(digest)s);
