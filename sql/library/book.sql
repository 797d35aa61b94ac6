-- name: read_book
-- A book with whether it is hidden, picked and when its vector was made; a stub has no title.
SELECT b.book_id, b.title, b.author, b.isbn, b.genre, b.keywords, b.description, b.page_count,
       b.publication_year, b.difficulty_band, b.reading_level AS level, b.average_rating, b.language,
       b.series, b.series_number, b.copies_total, b.copies_available, b.cover_url,
       h.hidden_by, h.hidden_at, p.book_id IS NOT NULL AS is_pick
FROM books b LEFT JOIN hidden_books h USING (book_id) LEFT JOIN staff_picks p USING (book_id)
WHERE b.book_id = %(book_id)s;

-- name: count_readers
-- Who borrowed the book, by grade, and at which levels they read: medians of the readers of a grade.
SELECT s.grade_level, count(*) AS readers, sum(mine.loans)::int AS loans
FROM (
    SELECT student_id, count(*) AS loans FROM checkouts
    WHERE book_id = %(book_id)s GROUP BY student_id
) mine JOIN students s USING (student_id)
GROUP BY s.grade_level ORDER BY s.grade_level NULLS LAST;

-- name: read_levels
-- The levels of the book's readers as loans tell them: how many, the median, the middle half.
SELECT count(*)::int AS readers,
       percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY level) AS quartiles
FROM (
    SELECT (p.profile -> 'reading_level' ->> 'value')::float8 AS level
    FROM (SELECT DISTINCT student_id FROM checkouts WHERE book_id = %(book_id)s) mine
    JOIN student_profiles p USING (student_id)
    WHERE p.profile -> 'reading_level' ->> 'method' = 'checkouts'
) levels WHERE level IS NOT NULL;

-- name: read_freshness
-- How many readers the book has, and of how many profile or neighbours do not reflect it yet.
SELECT count(*)::int AS readers,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM freshness f
           WHERE f.kind IN ('student_embedding', 'student_neighbors') AND f.key = mine.student_id
             AND f.wanted > f.done
       ))::int AS stale
FROM (SELECT DISTINCT student_id FROM checkouts WHERE book_id = %(book_id)s) mine;

-- name: list_out
-- Who has the book now, the longest first.
SELECT c.student_id, s.display_name, s.homeroom_teacher, c.checkout_date
FROM checkouts c JOIN students s USING (student_id)
WHERE c.book_id = %(book_id)s AND c.return_date IS NULL
ORDER BY c.checkout_date, c.student_id LIMIT %(most)s;

-- name: hide
-- A book that shall be recommended to nobody.
INSERT INTO hidden_books (book_id, hidden_by) VALUES (%(book_id)s, %(hidden_by)s)
ON CONFLICT DO NOTHING;

-- name: unhide
-- A book that may be recommended again.
DELETE FROM hidden_books WHERE book_id = %(book_id)s;
