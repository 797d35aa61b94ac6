-- name: find_student
-- A known student, kept from being deleted until the wish is noted.
SELECT student_id FROM students WHERE student_id = %(student_id)s FOR KEY SHARE;
