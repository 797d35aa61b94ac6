-- name: read_facts
-- What a chat model is told of books.
SELECT book_id, title, author, series, genre AS genres, description
FROM books WHERE book_id = ANY(%(book_ids)s::text[]) AND title IS NOT NULL;

-- name: read_words
-- The words that are kept under these keys. Refused ones count for a day.
SELECT key, reason, blurb FROM book_words
WHERE key = ANY(%(keys)s::bytea[])
  AND (reason IS NOT NULL OR written_at > now() - interval '1 day');

-- name: store_words
-- Keep words, or that they were refused, of books that are still there.
INSERT INTO book_words (key, book_id, reason, blurb)
SELECT w.key, w.book_id, w.reason, w.blurb
FROM unnest(%(keys)s::bytea[], %(book_ids)s::text[], %(reasons)s::text[], %(blurbs)s::text[])
    AS w (key, book_id, reason, blurb)
JOIN books b USING (book_id)
ORDER BY w.key
ON CONFLICT (key) DO UPDATE SET reason = excluded.reason, blurb = excluded.blurb,
    written_at = now();
