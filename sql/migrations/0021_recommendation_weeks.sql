-- What became of the recommendations of each week, counted every night: counting asks for every
-- answer of the week and every loan after it, which is no work for a page.
CREATE TABLE recommendation_weeks (
    week             date PRIMARY KEY,
    students         integer NOT NULL,
    given            integer NOT NULL,
    books            integer NOT NULL,
    borrowed         integer NOT NULL,
    -- What a list of the most borrowed books would have got in as many places.
    popular_borrowed integer NOT NULL,
    coverage         float8 NOT NULL,
    head_share       float8 NOT NULL,
    counted_at       timestamptz NOT NULL DEFAULT now()
);
