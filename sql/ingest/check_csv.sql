-- name: count_books
-- How many of these books are there.
SELECT count(*) FROM books WHERE book_id = ANY(%(book_id)s::text[]);

-- name: count_students
-- How many of these students are there.
SELECT count(*) FROM students WHERE student_id = ANY(%(student_id)s::text[]);

-- name: count_loans
-- How many of these loans are there.
SELECT count(*) FROM checkouts JOIN (
    SELECT student_id, book_id, day::date AS checkout_date
    FROM unnest(%(student_id)s::text[], %(book_id)s::text[], %(checkout_date)s::text[])
        AS given (student_id, book_id, day)
) named USING (student_id, book_id, checkout_date);
