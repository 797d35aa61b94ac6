-- What a library may also know of its books. All of it is optional.
ALTER TABLE books
    -- A BCP 47 tag in lower case, as in en or pt-br: the language of this copy.
    ADD COLUMN language         text CHECK (length(language) BETWEEN 2 AND 35),
    ADD COLUMN series           text,
    -- Half volumes exist.
    ADD COLUMN series_number    real CHECK (series_number BETWEEN 0 AND 10000),
    ADD COLUMN copies_total     integer CHECK (copies_total BETWEEN 0 AND 100000),
    -- May exceed copies_total for a while: each comes on its own.
    ADD COLUMN copies_available integer CHECK (copies_available BETWEEN 0 AND 100000),
    -- Handed on to whoever shows the book, never fetched by a server of ours.
    ADD COLUMN cover_url        text CHECK (cover_url ~ '^https?://');
