-- name: list_classes
-- The homerooms with how many of their children borrowed in the last thirty days; null for all.
SELECT s.homeroom_teacher AS teacher, min(s.grade_level) AS lowest_grade,
       max(s.grade_level) AS highest_grade, count(*) AS children, count(recent.student_id) AS reading
FROM students s
LEFT JOIN (
    SELECT DISTINCT student_id FROM checkouts WHERE checkout_date > current_date - 30
) recent USING (student_id)
WHERE s.homeroom_teacher <> ''
  AND (%(homerooms)s::text[] IS NULL OR s.homeroom_teacher = ANY(%(homerooms)s::text[]))
GROUP BY s.homeroom_teacher ORDER BY min(s.grade_level), s.homeroom_teacher LIMIT %(most)s;

-- name: count_homeless
-- How many children are in no homeroom, and so on no class page.
SELECT count(*) FROM students WHERE coalesce(homeroom_teacher, '') = '';

-- name: find_children
-- Children whose name holds a text, or whose id it is; of some homerooms, or null for all.
SELECT student_id, display_name, grade_level, homeroom_teacher FROM students
WHERE (strpos(lower(display_name), lower(%(text)s)) > 0 OR student_id = %(text)s)
  AND (%(homerooms)s::text[] IS NULL OR homeroom_teacher = ANY(%(homerooms)s::text[]))
ORDER BY lower(display_name), student_id LIMIT %(most)s;

-- name: list_picked
-- What the staff picks at the moment, in the order of the boards, and how much that is.
SELECT p.book_id, b.title, b.author, b.reading_level AS level, b.cover_url, count(*) OVER () AS of
FROM staff_picks p JOIN books b USING (book_id)
WHERE (p.until IS NULL OR p.until >= current_date) AND b.title IS NOT NULL
ORDER BY p.place, p.picked_at DESC, p.book_id LIMIT %(most)s;

-- name: list_arrivals
-- The newest books of the last sixty days, and how many there are.
SELECT book_id, title, author, reading_level AS level, cover_url, count(*) OVER () AS of
FROM books WHERE created_at > now() - interval '60 days' AND title IS NOT NULL
ORDER BY created_at DESC, book_id LIMIT %(most)s;

-- name: list_unborrowed
-- Books that have been here for a year and that nobody borrowed in it, the best rated first, and how
-- many there are.
SELECT book_id, title, author, reading_level AS level, cover_url, count(*) OVER () AS of
FROM books b WHERE created_at <= now() - interval '365 days' AND title IS NOT NULL AND NOT EXISTS (
    SELECT FROM checkouts c WHERE c.book_id = b.book_id AND c.checkout_date > current_date - 365
)
ORDER BY average_rating DESC NULLS LAST, book_id LIMIT %(most)s;
