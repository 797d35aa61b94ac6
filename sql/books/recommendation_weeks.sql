-- name: store_week
-- A week as it was counted tonight, in the place of what an earlier night counted.
INSERT INTO recommendation_weeks (week, students, given, books, borrowed, popular_borrowed,
    coverage, head_share)
VALUES (%(week)s, %(students)s, %(given)s, %(books)s, %(borrowed)s, %(popular_borrowed)s,
    %(coverage)s, %(head_share)s)
ON CONFLICT (week) DO UPDATE SET students = excluded.students, given = excluded.given,
    books = excluded.books, borrowed = excluded.borrowed,
    popular_borrowed = excluded.popular_borrowed, coverage = excluded.coverage,
    head_share = excluded.head_share, counted_at = now();

-- name: list_weeks
-- The newest weeks, the oldest of them first.
SELECT * FROM (
    SELECT week, students, given, books, borrowed, popular_borrowed, coverage, head_share,
        counted_at
    FROM recommendation_weeks ORDER BY week DESC LIMIT %(most)s
) newest ORDER BY week;
