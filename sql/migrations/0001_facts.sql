-- What happened: students, books, checkouts, and the log of accepted events.

CREATE EXTENSION IF NOT EXISTS vector;

-- Ids sort by code point, on every machine and as Python sorts them.
-- A row named by another event before its own has arrived is a stub: its id and nulls.
CREATE TABLE students (
    student_id               text COLLATE "C" PRIMARY KEY CHECK (length(student_id) BETWEEN 1 AND 200),
    grade_level              smallint CHECK (grade_level BETWEEN -1 AND 13),
    age                      smallint CHECK (age BETWEEN 2 AND 120),
    homeroom_teacher         text,
    prior_year_reading_score real CHECK (prior_year_reading_score BETWEEN 0 AND 1000),
    lunch_period             text,
    created_at               timestamptz NOT NULL DEFAULT now(),
    updated_at               timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE books (
    book_id          text COLLATE "C" PRIMARY KEY CHECK (length(book_id) BETWEEN 1 AND 200),
    title            text,
    author           text,
    isbn             text,
    genre            text[] NOT NULL DEFAULT '{}',
    keywords         text[] NOT NULL DEFAULT '{}',
    description      text,
    page_count       integer CHECK (page_count BETWEEN 0 AND 100000),
    publication_year smallint CHECK (publication_year BETWEEN -3000 AND 3000),
    difficulty_band  text CHECK (difficulty_band IN (
        'beginner', 'early_elementary', 'late_elementary', 'middle_school', 'high_school')),
    reading_level    real CHECK (reading_level BETWEEN 0 AND 20),
    average_rating   real CHECK (average_rating BETWEEN 0 AND 5),
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);

-- A loan is named by who, what and when; checkout_id is the library's own name for it, if it has one.
CREATE TABLE checkouts (
    student_id     text COLLATE "C" NOT NULL REFERENCES students ON DELETE CASCADE,
    book_id        text COLLATE "C" NOT NULL REFERENCES books ON DELETE CASCADE,
    checkout_date  date NOT NULL,
    checkout_id    text CHECK (length(checkout_id) BETWEEN 1 AND 200),
    return_date    date,
    student_rating smallint CHECK (student_rating BETWEEN 1 AND 5),
    PRIMARY KEY (student_id, book_id, checkout_date),
    CHECK (return_date >= checkout_date)
);
-- A changed book marks its readers stale.
CREATE INDEX checkouts_book_id ON checkouts (book_id);
CREATE UNIQUE INDEX checkouts_checkout_id ON checkouts (checkout_id) WHERE checkout_id IS NOT NULL;

-- Accepted events, by id: makes them idempotent and starts the causal chain. The facts an event
-- carried live in the tables above, so that deleting a student leaves nothing of them here.
CREATE TABLE events (
    event_id    uuid PRIMARY KEY,
    event_type  text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX events_received_at ON events USING brin (received_at);
