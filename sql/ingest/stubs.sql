-- name: insert_students
-- Stubs for students not known yet.
INSERT INTO students (student_id)
SELECT student_id FROM unnest(%(ids)s::text[]) AS s (student_id) ORDER BY student_id
ON CONFLICT DO NOTHING
RETURNING student_id;

-- name: insert_books
-- Stubs for books not known yet.
INSERT INTO books (book_id)
SELECT book_id FROM unnest(%(ids)s::text[]) AS b (book_id) ORDER BY book_id
ON CONFLICT DO NOTHING
RETURNING book_id;
