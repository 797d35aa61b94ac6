-- What a chat model wrote for recommended books, by a hash of everything that it was told: the book,
-- the evidence, the model, the instructions. Nothing here says for whom it was. Without a reason:
-- what it wrote was refused, and is asked for again after a day.
CREATE TABLE book_words (
    key        bytea PRIMARY KEY,
    book_id    text COLLATE "C" NOT NULL REFERENCES books ON DELETE CASCADE,
    reason     text,
    blurb      text,
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX book_words_book_id ON book_words (book_id);
CREATE INDEX book_words_written_at ON book_words (written_at);
