-- name: count_profiles
-- How many students there are, and how many of them have a profile.
SELECT (SELECT count(*) FROM students) AS students,
    (SELECT count(*) FROM student_profiles) AS with_profile;

-- name: read_sample
-- Some students, different ones each time, with what the check needs of their profiles.
SELECT s.student_id,
    coalesce((p.profile ->> 'checkouts')::int, 0) AS checkouts,
    coalesce(p.profile -> 'reading_level' ->> 'method' = 'checkouts', false) AS level_from_loans,
    coalesce(p.profile -> 'band_shares', jsonb_build_object()) AS band_shares,
    coalesce(p.profile -> 'genre_shares', jsonb_build_object()) AS genre_shares,
    (p.profile ->> 'genre_entropy_bits')::float8 AS genre_entropy_bits,
    (p.profile ->> 'median_loan_days')::float8 AS median_loan_days
FROM (SELECT student_id FROM students ORDER BY random() LIMIT %(most)s) s
LEFT JOIN student_profiles p USING (student_id)
ORDER BY s.student_id;

-- name: read_genres
-- The genres of those students' loans, the earliest first; loans without any tell nothing here.
SELECT c.student_id, b.genre FROM checkouts c JOIN books b USING (book_id)
WHERE c.student_id = ANY(%(ids)s) AND cardinality(b.genre) > 0
ORDER BY c.student_id, c.checkout_date, c.book_id;
