-- name: read_loans
-- The newest loans of these students, and what the ledger counts of them: whatever changes a
-- student's loans raises that.
SELECT s.student_id, concat_ws(' ', f.wanted, f.last_event) AS version,
    loans.book_ids, loans.ratings
FROM students s
LEFT JOIN freshness f ON f.kind = 'student_embedding' AND f.key = s.student_id
CROSS JOIN LATERAL (
    SELECT array_agg(c.book_id ORDER BY c.checkout_date DESC, c.book_id) AS book_ids,
        array_agg(c.student_rating::int ORDER BY c.checkout_date DESC, c.book_id) AS ratings
    FROM (
        SELECT book_id, checkout_date, student_rating FROM checkouts
        WHERE student_id = s.student_id
        ORDER BY checkout_date DESC, book_id LIMIT %(most)s
    ) c
) loans
WHERE s.student_id = ANY(%(student_ids)s::text[]);
