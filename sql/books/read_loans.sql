-- name: list_borrowed
-- The most borrowed books, by how many students borrowed them.
SELECT book_id FROM checkouts GROUP BY book_id
ORDER BY count(DISTINCT student_id) DESC, book_id LIMIT %(max_books)s;

-- name: read_loans
-- Every loan of these books by student, the oldest first: the student, places in the list, days
-- since 1970, and ratings, 0 for none.
SELECT c.student_id,
    array_agg(b.place ORDER BY c.checkout_date, c.book_id),
    array_agg(c.checkout_date - date '1970-01-01' ORDER BY c.checkout_date, c.book_id),
    array_agg(coalesce(c.student_rating, 0)::int ORDER BY c.checkout_date, c.book_id)
FROM checkouts c
JOIN unnest(%(book_ids)s::text[]) WITH ORDINALITY AS n (book_id, nth) USING (book_id)
CROSS JOIN LATERAL (SELECT n.nth::int - 1) AS b (place)
GROUP BY c.student_id ORDER BY c.student_id;
