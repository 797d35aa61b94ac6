-- name: read_vectors
-- The vectors of a homeroom's profiles, of the current model.
SELECT e.student_id, e.vec FROM student_embeddings e JOIN students s USING (student_id)
WHERE s.homeroom_teacher = %(homeroom)s AND e.model = %(model)s AND e.dimensions = %(dimensions)s
ORDER BY e.student_id LIMIT %(most)s;

-- name: list_shared
-- Books that at least two of these children borrowed, most of them first, with whom.
SELECT c.book_id, b.title, array_agg(DISTINCT c.student_id) AS student_ids
FROM checkouts c JOIN books b USING (book_id)
WHERE c.student_id = ANY(%(student_ids)s) AND b.title IS NOT NULL
GROUP BY c.book_id, b.title HAVING count(DISTINCT c.student_id) > 1
ORDER BY count(DISTINCT c.student_id) DESC, b.title LIMIT %(most)s;
