-- name: read_book
-- One book with all that is known of it, and what the ledger says of its vector.
SELECT b.book_id, b.title, b.author, b.isbn, b.genre, b.keywords, b.description, b.page_count,
       b.publication_year, b.difficulty_band, b.reading_level, b.average_rating, b.language, b.series,
       b.series_number, b.copies_total, b.copies_available, b.cover_url, b.created_at, b.updated_at,
       f.kind, f.wanted = f.done AS embedding_fresh, f.stale_since AS embedding_stale_since,
       f.done_at AS embedding_updated_at, f.done_event AS embedding_last_event,
       f.error AS embedding_error, f.dead_at IS NOT NULL AS embedding_dead
FROM books b LEFT JOIN freshness f ON f.kind = 'book_embedding' AND f.key = b.book_id
WHERE b.book_id = %(book_id)s;

-- name: read_vector
-- A book's vector of the current model; null where it has none yet.
SELECT e.vec FROM books b LEFT JOIN book_embeddings e
    ON e.book_id = b.book_id AND e.model = %(model)s AND e.dimensions = %(dimensions)s
WHERE b.book_id = %(book_id)s;
