-- name: load_books
-- The claimed books that have facts, with what their stored vector was made from.
SELECT b.book_id, b.title, b.author, b.series, b.genre, b.keywords, b.description,
       b.difficulty_band,
       CASE WHEN e.model = %(model)s AND e.dimensions = %(dimensions)s THEN e.content_hash END
           AS content_hash
FROM books b LEFT JOIN book_embeddings e USING (book_id)
WHERE b.book_id = ANY(%(keys)s) AND b.title IS NOT NULL;

-- name: lock_books
-- Lock books in the order in which events lock them, before the ledger as they do: nobody waits in
-- a circle. Loans of them go on.
SELECT book_id FROM books WHERE book_id = ANY(%(keys)s) ORDER BY book_id FOR KEY SHARE;

-- name: store_embedding
-- The vector with what it was made from and because of which event.
INSERT INTO book_embeddings (book_id, model, dimensions, content_hash, vec, last_event)
VALUES (%(book_id)s, %(model)s, %(dimensions)s, %(content_hash)s, %(vec)b::halfvec, %(last_event)s)
ON CONFLICT (book_id) DO UPDATE SET
    model = excluded.model, dimensions = excluded.dimensions, content_hash = excluded.content_hash,
    vec = excluded.vec, last_event = excluded.last_event, updated_at = now();

-- name: mark_outdated
-- Make a slice of the books stale whose vector is missing or of another model, in key order and
-- without those that are dead; returns where the next slice begins.
WITH slice AS (
    SELECT f.key, e.model = %(model)s AND e.dimensions = %(dimensions)s AS current
    FROM freshness f LEFT JOIN book_embeddings e ON e.book_id = f.key
    WHERE f.kind = 'book_embedding' AND f.key > %(after)s
    ORDER BY f.key LIMIT %(most)s FOR UPDATE OF f
), marked AS (
    UPDATE freshness f SET wanted = f.wanted + 1, stale_since = coalesce(f.stale_since, now())
    FROM slice
    WHERE f.kind = 'book_embedding' AND f.key = slice.key AND f.dead_at IS NULL
      AND slice.current IS NOT TRUE
    RETURNING f.key
)
SELECT max(slice.key), count(marked.key) FROM slice LEFT JOIN marked USING (key);
