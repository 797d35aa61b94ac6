-- name: list_children
-- The children of a homeroom, by name, with what a class page says of each; loans as of today.
SELECT s.student_id, s.display_name, s.grade_level,
       (p.profile -> 'reading_level' ->> 'value')::float8 AS level,
       (p.profile -> 'reading_level' ->> 'slope_per_30_days')::float8 AS slope,
       coalesce(p.profile -> 'genre_shares', jsonb_build_object()) AS genre_shares,
       current_date - loans.last_day AS days_since_loan, loans.last_title,
       coalesce(loans.recent, 0) AS recent_loans, coalesce(loans.total, 0) AS loans
FROM students s LEFT JOIN student_profiles p USING (student_id)
LEFT JOIN LATERAL (
    SELECT max(c.checkout_date) AS last_day, count(*) AS total,
           count(*) FILTER (WHERE c.checkout_date > current_date - 30) AS recent,
           (array_agg(b.title ORDER BY c.checkout_date DESC, c.book_id))[1] AS last_title
    FROM checkouts c JOIN books b USING (book_id) WHERE c.student_id = s.student_id
) loans ON true
WHERE s.homeroom_teacher = %(homeroom)s
ORDER BY lower(coalesce(s.display_name, s.student_id)), s.student_id LIMIT %(most)s;
