-- The library's people: names of children, and keys that are made while Kinfold runs.

-- Indexes first, because they take long: what locks a table for readers comes after them. Which
-- classes there are, which borrowed lately, and which books nobody has borrowed for a year.
CREATE INDEX students_homeroom_teacher ON students (homeroom_teacher);
CREATE INDEX checkouts_checkout_date ON checkouts (checkout_date);
CREATE INDEX checkouts_book_id_checkout_date ON checkouts (book_id, checkout_date);
DROP INDEX checkouts_book_id;

-- A child's name as the library calls it. Shown by the library's pages and nowhere else: it goes
-- into no log line, no profile and no text that is embedded.
ALTER TABLE students ADD COLUMN display_name text CHECK (length(display_name) <= 200);

-- Keys beside those of API_KEYS, by the SHA-256 of each.
CREATE TABLE api_keys (
    name       text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 100),
    role       text NOT NULL CHECK (role IN ('read', 'write', 'admin', 'librarian', 'teacher')),
    digest     text NOT NULL UNIQUE CHECK (digest ~ '^[0-9a-f]{64}$'),
    -- Whose children a teacher sees.
    homerooms  text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    CHECK ((role = 'teacher') = (cardinality(homerooms) > 0))
);

-- Why a book was put aside on a child's page.
ALTER TABLE book_feedback ADD COLUMN reason text
    CHECK (reason IN ('read_at_home', 'too_hard', 'not_interested'));

-- Books that are in the catalogue and shall be recommended to nobody.
CREATE TABLE hidden_books (
    book_id   text COLLATE "C" PRIMARY KEY REFERENCES books ON DELETE CASCADE,
    hidden_at timestamptz NOT NULL DEFAULT now(),
    hidden_by text NOT NULL
);

-- Where a pick stands on its board: the smallest first, those alike by when they were picked.
ALTER TABLE staff_picks ADD COLUMN place integer NOT NULL DEFAULT 0;
