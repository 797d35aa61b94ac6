-- Recommendations: what people say of books, models with a pointer, weights, and what was answered.

CREATE TABLE book_feedback (
    event_id          uuid PRIMARY KEY,
    student_id        text COLLATE "C" NOT NULL REFERENCES students ON DELETE CASCADE,
    book_id           text COLLATE "C" NOT NULL REFERENCES books ON DELETE CASCADE,
    verdict           text NOT NULL CHECK (verdict IN (
        'shown', 'opened', 'borrowed', 'liked', 'disliked', 'hidden', 'later')),
    recommendation_id uuid,
    given_at          timestamptz NOT NULL
);
CREATE INDEX book_feedback_student_id ON book_feedback (student_id, given_at DESC);
CREATE INDEX book_feedback_book_id ON book_feedback (book_id);
CREATE INDEX book_feedback_given_at ON book_feedback (given_at);

CREATE TABLE staff_picks (
    book_id   text COLLATE "C" PRIMARY KEY REFERENCES books ON DELETE CASCADE,
    grades    smallint[],
    until     date,
    note      text,
    picked_at timestamptz NOT NULL DEFAULT now()
);

-- A model is built beside the one that is read, and read once the pointer names it.
CREATE TABLE recommendation_models (
    model_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id       uuid NOT NULL UNIQUE,
    begun_at     timestamptz NOT NULL DEFAULT now(),
    ready_at     timestamptz,
    -- Added to the diagonal; chosen on an earlier window of the library's own loans.
    ridge        real,
    -- After so many newer loans one counts half.
    half_life    real,
    students     integer NOT NULL DEFAULT 0,
    books        integer NOT NULL DEFAULT 0,
    loans        bigint NOT NULL DEFAULT 0,
    -- How λ and half-life were chosen, and how good the model is on loans it has not seen.
    figures      jsonb NOT NULL DEFAULT '{}'
);

-- The largest weights of each book, in parts of some hundred books: int32 columns and float32
-- weights of the other books, row by row, -1 where a row has fewer.
CREATE TABLE recommendation_weights (
    model_id bigint NOT NULL REFERENCES recommendation_models ON DELETE CASCADE,
    part     integer NOT NULL,
    book_ids text[] NOT NULL,
    others   bytea NOT NULL,
    weights  bytea NOT NULL,
    PRIMARY KEY (model_id, part)
);

CREATE TABLE recommendation_pointer (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    model_id     bigint NOT NULL REFERENCES recommendation_models,
    previous     bigint REFERENCES recommendation_models ON DELETE SET NULL,
    activated_at timestamptz NOT NULL DEFAULT now()
);

-- How much each term counts; the newest row is in force.
CREATE TABLE term_weights (
    version    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    weights    jsonb NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL
);

-- Answers as they were given. Those about a student, or a group with the student, go with it.
CREATE TABLE recommendations (
    recommendation_id uuid PRIMARY KEY,
    student_id        text COLLATE "C" REFERENCES students ON DELETE CASCADE,
    member_ids        text[],
    asked_at          timestamptz NOT NULL DEFAULT now(),
    model_id          bigint,
    book_ids          text[] NOT NULL,
    -- What the pages before this one showed.
    earlier_ids       text[] NOT NULL DEFAULT '{}',
    degraded          text[] NOT NULL,
    answer            jsonb NOT NULL
);
CREATE INDEX recommendations_student_id ON recommendations (student_id, asked_at DESC);
CREATE INDEX recommendations_member_ids ON recommendations USING gin (member_ids)
    WHERE member_ids IS NOT NULL;
CREATE INDEX recommendations_asked_at ON recommendations USING brin (asked_at);
