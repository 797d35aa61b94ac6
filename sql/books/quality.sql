-- name: by_week
-- What became of recommended books, by the week in which they were given: how many were given and
-- to whom, which share of the catalogue that was, and of it the share that is of the head (the tenth
-- of the catalogue with the most readers, as of now), how many of them were borrowed within 14 days,
-- and how many a list of the books that were borrowed most in the 30 days before would have got of
-- the same number of places.
WITH readers AS (
    SELECT b.book_id, count(DISTINCT c.student_id) AS readers
    FROM books b LEFT JOIN checkouts c USING (book_id) WHERE b.title IS NOT NULL GROUP BY b.book_id
), head AS (
    SELECT book_id FROM readers ORDER BY readers DESC, book_id
    LIMIT (SELECT greatest(round(0.1 * count(*)), 1) FROM readers)
), given AS (
    SELECT date_trunc('week', r.asked_at)::date AS week, r.student_id, u.book_id,
        min(r.asked_at)::date AS day
    FROM recommendations r CROSS JOIN LATERAL unnest(r.book_ids) AS u (book_id)
    WHERE r.student_id IS NOT NULL AND r.asked_at > now() - make_interval(weeks => %(weeks)s)
    GROUP BY 1, 2, 3
), judged AS (
    SELECT g.week, g.student_id, g.book_id, h.book_id IS NOT NULL AS of_head,
        EXISTS (
            SELECT FROM checkouts c
            WHERE c.student_id = g.student_id AND c.book_id = g.book_id
              AND c.checkout_date BETWEEN g.day AND g.day + 14
        ) AS borrowed
    FROM given g LEFT JOIN head h USING (book_id)
), counted AS (
    SELECT week, count(*) AS given, count(DISTINCT student_id) AS students,
        count(*) FILTER (WHERE borrowed) AS borrowed,
        count(DISTINCT book_id) AS books,
        avg(of_head::int)::float8 AS head_share,
        round(count(*)::numeric / count(DISTINCT student_id))::int AS places
    FROM judged GROUP BY week
)
SELECT k.week, k.students, k.given, k.books, k.borrowed, k.head_share,
    least(k.books::float8 / greatest((SELECT count(*) FROM readers), 1), 1) AS coverage,
    (
        SELECT count(*) FROM (SELECT DISTINCT student_id FROM given g WHERE g.week = k.week) s
        CROSS JOIN LATERAL (
            SELECT p.book_id FROM (
                SELECT c.book_id, count(*) AS loans FROM checkouts c
                WHERE c.checkout_date BETWEEN k.week - 30 AND k.week - 1
                GROUP BY c.book_id ORDER BY loans DESC, c.book_id LIMIT 200
            ) p
            WHERE NOT EXISTS (
                SELECT FROM checkouts seen
                WHERE seen.student_id = s.student_id AND seen.book_id = p.book_id
                  AND seen.checkout_date < k.week
            )
            ORDER BY p.loans DESC, p.book_id LIMIT k.places
        ) popular
        JOIN checkouts c ON c.student_id = s.student_id AND c.book_id = popular.book_id
            AND c.checkout_date BETWEEN k.week AND k.week + 20
    ) AS popular_borrowed
FROM counted k ORDER BY k.week DESC;

-- name: verdicts_by_week
-- What readers said of books, by week.
SELECT date_trunc('week', given_at)::date AS week, verdict, count(*)
FROM book_feedback WHERE given_at > now() - make_interval(weeks => %(weeks)s)
GROUP BY 1, 2 ORDER BY 1 DESC, 2;

-- name: degraded_share
-- Of the answers to one student in the last week, the share that had to do without something.
SELECT count(*) FILTER (WHERE cardinality(degraded) > 0)::float8 / nullif(count(*), 0)
FROM recommendations WHERE student_id IS NOT NULL AND asked_at > now() - interval '7 days';
