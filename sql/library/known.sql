-- name: know
-- Whether there are such a student and such a book; what is null is not looked for.
SELECT %(student_id)s::text IS NULL OR EXISTS (
           SELECT FROM students WHERE student_id = %(student_id)s::text) AS student,
       %(book_id)s::text IS NULL OR EXISTS (
           SELECT FROM books WHERE book_id = %(book_id)s::text) AS book;
