-- name: read_stamp
-- When anything of the catalogue or of the books' vectors changed last.
SELECT greatest(
    (SELECT max(updated_at) FROM books), (SELECT max(updated_at) FROM book_embeddings));

-- name: read_books
-- Books that can be shown: those that have a title. A band stands in for a level that is unknown.
SELECT book_id, title, author,
    coalesce(reading_level, CASE difficulty_band
        WHEN 'beginner' THEN 1 WHEN 'early_elementary' THEN 3 WHEN 'late_elementary' THEN 5
        WHEN 'middle_school' THEN 7 WHEN 'high_school' THEN 10 END)::float8 AS level,
    genre AS genres, language, series, series_number::float8, copies_available,
    created_at::date AS added
FROM books WHERE title IS NOT NULL;

-- name: read_vectors
-- Vectors of the current model that were written since a moment.
SELECT book_id, vec, updated_at FROM book_embeddings
WHERE model = %(model)s AND dimensions = %(dimensions)s AND updated_at > %(since)s
ORDER BY book_id;

-- name: read_sample
-- Vectors of some books, to fit the projection to.
SELECT vec FROM book_embeddings WHERE model = %(model)s AND dimensions = %(dimensions)s
ORDER BY md5(book_id) LIMIT %(size)s;

-- name: read_popularity
-- How many students borrowed each book, and the sum and count of their ratings.
SELECT book_id, count(DISTINCT student_id)::float8, coalesce(sum(student_rating), 0)::float8,
    count(student_rating)::float8
FROM checkouts GROUP BY book_id;

-- name: read_recent
-- Loans of the last days by book, age in days and grade.
SELECT c.book_id, current_date - c.checkout_date, s.grade_level, count(*)
FROM checkouts c JOIN students s USING (student_id)
WHERE c.checkout_date > current_date - %(days)s::int AND c.checkout_date <= current_date
GROUP BY 1, 2, 3;
