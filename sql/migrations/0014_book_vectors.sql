-- Books' vectors: of the model and in the space of students' vectors, so that both can be compared.
-- As halfvec: half the pages to read for a search, and cosines differ by less than a thousandth.
CREATE TABLE book_embeddings (
    book_id      text COLLATE "C" PRIMARY KEY REFERENCES books ON DELETE CASCADE,
    model        text NOT NULL,
    dimensions   smallint NOT NULL CHECK (dimensions = vector_dims(vec)),
    content_hash bytea NOT NULL CHECK (length(content_hash) = 32),
    vec          halfvec NOT NULL,
    last_event   uuid,
    updated_at   timestamptz NOT NULL DEFAULT now()
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05);
-- In line and never compressed, as students' vectors are.
ALTER TABLE book_embeddings ALTER COLUMN vec SET STORAGE EXTERNAL;

-- Books that were known before there was a vector of them. A stub has nothing to make one from.
INSERT INTO freshness (kind, key, stale_since)
SELECT 'book_embedding', book_id, now() FROM books WHERE title IS NOT NULL;
