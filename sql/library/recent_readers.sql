-- name: list_recent_readers
-- Who borrowed last, of the newest loans; the last reader of each grade before a second of any, so
-- that the first few differ.
WITH newest AS (
    SELECT student_id, checkout_date FROM checkouts
    ORDER BY checkout_date DESC, student_id LIMIT %(loans)s
), readers AS (
    SELECT student_id, max(checkout_date) AS last_day FROM newest GROUP BY student_id
)
SELECT s.student_id, s.display_name, s.grade_level, s.homeroom_teacher
FROM readers JOIN students s USING (student_id)
ORDER BY row_number() OVER (PARTITION BY s.grade_level ORDER BY readers.last_day DESC, s.student_id),
    readers.last_day DESC, s.student_id LIMIT %(most)s;

-- name: read_readers
-- Some children in the order in which they are named.
SELECT student_id, display_name, grade_level, homeroom_teacher FROM students
WHERE student_id = ANY(%(student_ids)s::text[])
ORDER BY array_position(%(student_ids)s::text[], student_id);
