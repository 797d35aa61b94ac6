-- name: read_student
-- One student with the profile as it was last built.
SELECT s.student_id, s.grade_level, s.age, s.homeroom_teacher, s.prior_year_reading_score,
       s.lunch_period, s.created_at, s.updated_at, p.profile
FROM students s LEFT JOIN student_profiles p USING (student_id)
WHERE s.student_id = %(student_id)s;

-- name: student_exists
-- Whether a student is known.
SELECT EXISTS (SELECT FROM students WHERE student_id = %(student_id)s);

-- name: read_neighbors
-- The nearest neighbours, best first.
SELECT b AS student_id, sim AS similarity FROM student_similarity
WHERE a = %(student_id)s ORDER BY sim DESC, b LIMIT %(limit)s;
