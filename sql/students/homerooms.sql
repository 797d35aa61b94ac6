-- name: find_children
-- Those of the students that are in one of the homerooms.
SELECT student_id FROM students
WHERE student_id = ANY(%(student_ids)s) AND homeroom_teacher = ANY(%(homerooms)s);

-- name: list_homerooms
-- The homerooms of all students, by name.
SELECT DISTINCT homeroom_teacher FROM students
WHERE homeroom_teacher <> '' ORDER BY homeroom_teacher LIMIT 500;
