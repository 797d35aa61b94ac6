-- name: read_ledger
-- What the ledger says of a key, whatever its kind. One that waits to be called has no time.
SELECT kind, key, wanted, done, stale_since,
    CASE WHEN isfinite(not_before) THEN not_before END AS not_before, attempts, last_event, done_event, done_at,
    lease_until > now() AS leased, leased_by, error, dead_at
FROM freshness WHERE kind = ANY(%(kinds)s) AND key = %(key)s ORDER BY kind;

-- name: list_events
-- The newest events that made something of a key stale.
SELECT e.event_id FROM (
    SELECT DISTINCT event_id FROM effects WHERE kind = ANY(%(kinds)s) AND key = %(key)s
) named JOIN events e USING (event_id)
ORDER BY e.received_at DESC LIMIT %(limit)s;

-- name: read_vectors
-- The vectors of a key in Postgres by what can be said of them.
SELECT 'student_embedding' AS kind, model, dimensions, vector_norm(vec) AS norm, updated_at
FROM student_embeddings WHERE student_id = %(key)s
UNION ALL
SELECT 'book_embedding', model, dimensions, vector_norm(vec::vector), updated_at
FROM book_embeddings WHERE book_id = %(key)s
UNION ALL
SELECT 'user_embedding', model_version, vector_dims(embedding), vector_norm(embedding), updated_at
FROM user_embeddings WHERE user_id = %(key)s
UNION ALL
SELECT 'post_embedding', model, vector_dims(embedding), vector_norm(embedding), updated_at
FROM post_embeddings WHERE post_id = %(key)s;

-- name: read_user
-- A user: since when known, why there is no vector, and how many actions there are.
SELECT u.created_at, u.reason,
    (SELECT count(*) FROM action_log a WHERE a.user_id = u.user_id) AS actions
FROM users u WHERE u.user_id = %(key)s;

-- name: read_post
-- A post: its text, and when it was published.
SELECT text, created_at FROM posts WHERE post_id = %(key)s;

-- name: read_book
-- A book: its title and author, and what its vector is about.
SELECT title, author, description FROM books WHERE book_id = %(key)s;

-- name: list_failures
-- Why a document has no vector, by version.
SELECT doc_id, version, reason, error, attempts, failed_at, not_before, dead_at
FROM document_failures WHERE doc_id = %(key)s ORDER BY version;
