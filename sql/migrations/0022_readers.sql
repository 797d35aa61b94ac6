-- Readers without an account: what they have read, under a code of which only a hash is known here.

CREATE TABLE readers (
    reader_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- SHA-256 of the code: whoever reads this table cannot open a list with it.
    code_hash    bytea NOT NULL UNIQUE CHECK (octet_length(code_hash) = 32),
    -- A list that nobody opens for a while is deleted.
    used_at      timestamptz NOT NULL DEFAULT now(),
    -- What the titles that are not in the catalogue are about, and a hash of what that was made from.
    elsewhere    halfvec,
    elsewhere_of bytea
);
CREATE INDEX readers_used_at ON readers (used_at);

CREATE TABLE reader_books (
    reader_id bigint NOT NULL REFERENCES readers ON DELETE CASCADE,
    -- In the order of the list: the first is what was read last, or what matters most.
    place     integer NOT NULL,
    title     text NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    author    text CHECK (length(author) <= 300),
    isbn      text CHECK (length(isbn) <= 20),
    rating    smallint CHECK (rating BETWEEN 1 AND 5),
    book_id   text COLLATE "C" REFERENCES books ON DELETE SET NULL,
    PRIMARY KEY (reader_id, place)
);
CREATE INDEX reader_books_book_id ON reader_books (book_id);

CREATE TABLE reader_verdicts (
    reader_id bigint NOT NULL REFERENCES readers ON DELETE CASCADE,
    book_id   text COLLATE "C" NOT NULL REFERENCES books ON DELETE CASCADE,
    verdict   text NOT NULL CHECK (verdict IN ('liked', 'disliked')),
    PRIMARY KEY (reader_id, book_id)
);
CREATE INDEX reader_verdicts_book_id ON reader_verdicts (book_id);

-- What an ISBN of ten and one of thirteen digits have in common: all but the check digit. Null for
-- what is no ISBN.
CREATE FUNCTION isbn_core(given text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN CASE length(regexp_replace(upper(given), '[^0-9X]', '', 'g'))
    WHEN 10 THEN '978' || left(regexp_replace(upper(given), '[^0-9X]', '', 'g'), 9)
    WHEN 13 THEN left(regexp_replace(upper(given), '[^0-9X]', '', 'g'), 12)
END;
CREATE INDEX books_isbn_core ON books (isbn_core(isbn));
