-- name: read_child
-- A child with its profile as it was last built, and whether profile and neighbours are fresh.
SELECT s.student_id, s.display_name, s.grade_level, s.homeroom_teacher, s.prior_year_reading_score,
       p.profile, coalesce(e.wanted = e.done AND n.wanted = n.done, false) AS fresh
FROM students s LEFT JOIN student_profiles p USING (student_id)
LEFT JOIN freshness e ON e.kind = 'student_embedding' AND e.key = s.student_id
LEFT JOIN freshness n ON n.kind = 'student_neighbors' AND n.key = s.student_id
WHERE s.student_id = %(student_id)s;

-- name: list_loans
-- The loans of a child with what is known of the books, the newest first.
SELECT c.book_id, c.checkout_date, c.return_date, c.student_rating, b.title, b.author, b.genre,
       b.keywords, b.reading_level, b.difficulty_band
FROM checkouts c JOIN books b USING (book_id)
WHERE c.student_id = %(student_id)s
ORDER BY c.checkout_date DESC, c.book_id LIMIT %(most)s;

-- name: list_set_aside
-- Books whose newest verdict of this child is "later" and that it has not borrowed since.
SELECT f.book_id, b.title, b.author, f.given_at
FROM (
    SELECT DISTINCT ON (book_id) book_id, verdict, given_at FROM book_feedback
    WHERE student_id = %(student_id)s AND verdict NOT IN ('shown', 'opened')
    ORDER BY book_id, given_at DESC, event_id
) f
JOIN books b USING (book_id)
WHERE f.verdict = 'later' AND NOT EXISTS (
    SELECT FROM checkouts c WHERE c.student_id = %(student_id)s AND c.book_id = f.book_id
      AND c.checkout_date >= f.given_at::date
)
ORDER BY f.given_at DESC, f.book_id LIMIT %(most)s;

-- name: list_near
-- The children most like this one, best first, each with the books that both borrowed: how many, and
-- the best rated of them by title.
WITH near AS MATERIALIZED (
    SELECT b AS student_id, sim FROM student_similarity
    WHERE a = %(student_id)s ORDER BY sim DESC, b LIMIT %(most)s
), own AS MATERIALIZED (
    SELECT DISTINCT book_id FROM checkouts WHERE student_id = %(student_id)s
)
SELECT near.student_id, near.sim, s.display_name, s.grade_level, s.homeroom_teacher,
       (p.profile -> 'reading_level' ->> 'value')::float8 AS level,
       coalesce(p.profile -> 'genre_shares', jsonb_build_object()) AS genre_shares,
       coalesce(shared.book_ids, ARRAY[]::text[]) AS shared_ids, coalesce(shared.titles, ARRAY[]::text[]) AS titles
FROM near JOIN students s USING (student_id) LEFT JOIN student_profiles p USING (student_id)
CROSS JOIN LATERAL (
    SELECT array_agg(both_read.book_id ORDER BY both_read.book_id) AS book_ids,
           (array_agg(b.title ORDER BY rated DESC NULLS LAST, b.title)
            FILTER (WHERE b.title IS NOT NULL))[1:3] AS titles
    FROM (
        SELECT c.book_id, max(c.student_rating) AS rated
        FROM checkouts c JOIN own USING (book_id)
        WHERE c.student_id = near.student_id GROUP BY c.book_id
    ) both_read JOIN books b USING (book_id)
) shared
ORDER BY near.sim DESC, near.student_id;
