-- name: read_secret
-- What signs the console's cookies.
SELECT secret FROM session_secret;
