-- name: store_check
-- Count the students whose answer would have to do without something of their own, and say whether
-- any book has a vector of the present model.
INSERT INTO recommendation_checks AS kept (
    checked_at, students, degraded, no_loans, no_neighbors, no_vectors)
SELECT now(), count(*), count(*) FILTER (WHERE no_loans OR no_neighbors),
    count(*) FILTER (WHERE no_loans), count(*) FILTER (WHERE no_neighbors),
    NOT EXISTS (
        SELECT FROM book_embeddings WHERE model = %(model)s AND dimensions = %(dimensions)s)
FROM (
    SELECT
        NOT EXISTS (
            SELECT FROM checkouts c JOIN books b USING (book_id)
            WHERE c.student_id = s.student_id AND b.title IS NOT NULL) AS no_loans,
        NOT EXISTS (
            SELECT FROM student_similarity e JOIN checkouts c ON c.student_id = e.b
            WHERE e.a = s.student_id) AS no_neighbors
    FROM students s
) lacking
ON CONFLICT (singleton) DO UPDATE SET checked_at = excluded.checked_at,
    students = excluded.students, degraded = excluded.degraded, no_loans = excluded.no_loans,
    no_neighbors = excluded.no_neighbors, no_vectors = excluded.no_vectors;

-- name: read_contract
-- Which model is read, how old it is, and what the newest check found: a row each.
SELECT p.model_id, extract(epoch FROM now() - m.ready_at)::float8 AS model_age_s,
    c.checked_at, c.students, c.degraded, c.no_loans, c.no_neighbors, c.no_vectors
FROM (SELECT) one
LEFT JOIN recommendation_pointer p ON true
LEFT JOIN recommendation_models m USING (model_id)
LEFT JOIN recommendation_checks c ON true;
