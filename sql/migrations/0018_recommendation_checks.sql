-- What the hourly check of the recommendations found, for GET /freshness: counting whose answer
-- would have to do without something reads every student.
CREATE TABLE recommendation_checks (
    singleton    boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    checked_at   timestamptz NOT NULL,
    students     bigint NOT NULL,
    degraded     bigint NOT NULL,
    no_loans     bigint NOT NULL,
    no_neighbors bigint NOT NULL,
    no_vectors   boolean NOT NULL
);
