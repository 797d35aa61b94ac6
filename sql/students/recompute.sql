-- name: load_students
-- The claimed students that still exist, with what their stored vector was made from.
SELECT s.student_id, s.grade_level, s.prior_year_reading_score,
       CASE WHEN e.model = %(model)s AND e.dimensions = %(dimensions)s THEN e.content_hash END
           AS content_hash
FROM students s LEFT JOIN student_embeddings e USING (student_id)
WHERE s.student_id = ANY(%(keys)s);

-- name: load_loans
-- All loans of the claimed students with what is known of the books; in a fixed order, so that the
-- same loans always add up to the same figures.
SELECT c.student_id, c.book_id, c.checkout_date, c.return_date, b.title, b.author, b.genre,
       b.keywords, b.reading_level, b.difficulty_band
FROM checkouts c JOIN books b USING (book_id)
WHERE c.student_id = ANY(%(keys)s)
ORDER BY c.student_id, c.checkout_date, c.book_id;

-- name: store_profile
-- The profile as it is now, and the text rendered from it.
INSERT INTO student_profiles (student_id, version, profile, text)
VALUES (%(student_id)s, %(version)s, %(profile)s, %(text)s)
ON CONFLICT (student_id) DO UPDATE SET
    version = excluded.version, profile = excluded.profile, text = excluded.text, updated_at = now();

-- name: store_embedding
-- The vector with what it was made from and because of which event.
INSERT INTO student_embeddings (student_id, model, dimensions, content_hash, vec, last_event)
VALUES (%(student_id)s, %(model)s, %(dimensions)s, %(content_hash)s, %(vec)b, %(last_event)s)
ON CONFLICT (student_id) DO UPDATE SET
    model = excluded.model, dimensions = excluded.dimensions, content_hash = excluded.content_hash,
    vec = excluded.vec, last_event = excluded.last_event, updated_at = now();
