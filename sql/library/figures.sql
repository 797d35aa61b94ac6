-- name: loans_by_week
-- How many loans each of the last weeks saw and of how many children, those without any, too; weeks
-- begin on Mondays and the newest one is not over.
SELECT w.week::date AS week, coalesce(counted.loans, 0) AS loans,
    coalesce(counted.children, 0) AS children
FROM generate_series(date_trunc('week', current_date) - make_interval(weeks => %(weeks)s - 1),
    date_trunc('week', current_date), interval '1 week') AS w (week)
LEFT JOIN (
    -- By child first, which needs no sort. The first Monday of 1970 was the 5th of January.
    SELECT date '1970-01-05' + 7 * place AS week, sum(loans)::bigint AS loans,
        count(*) AS children
    FROM (
        SELECT (checkout_date - date '1970-01-05') / 7 AS place, student_id, count(*) AS loans
        FROM checkouts
        WHERE checkout_date >= date_trunc('week', current_date)::date - 7 * (%(weeks)s - 1)
          AND checkout_date <= current_date
        GROUP BY 1, 2
    ) by_child
    GROUP BY place
) counted ON counted.week = w.week::date
ORDER BY w.week;

-- name: catalogue_use
-- Of the catalogue how many books were borrowed within some days, and ever.
SELECT count(*) AS books, count(last.day) AS ever,
    count(*) FILTER (WHERE last.day > current_date - 30) AS in_30_days,
    count(*) FILTER (WHERE last.day > current_date - 90) AS in_90_days,
    count(*) FILTER (WHERE last.day > current_date - 365) AS in_365_days
FROM books b
LEFT JOIN LATERAL (
    SELECT c.checkout_date AS day FROM checkouts c WHERE c.book_id = b.book_id
    ORDER BY c.checkout_date DESC LIMIT 1
) last ON true
WHERE b.title IS NOT NULL;

-- name: list_books_by_use
-- Every book of the catalogue with its last loan, those that nobody ever borrowed first.
SELECT b.book_id, b.title, b.author, last.day AS last_loan,
    (SELECT count(*) FROM checkouts c
     WHERE c.book_id = b.book_id AND c.checkout_date > current_date - 365) AS loans_in_365_days
FROM books b
LEFT JOIN LATERAL (
    SELECT c.checkout_date AS day FROM checkouts c WHERE c.book_id = b.book_id
    ORDER BY c.checkout_date DESC LIMIT 1
) last ON true
WHERE b.title IS NOT NULL ORDER BY last.day NULLS FIRST, b.book_id LIMIT %(most)s;

-- name: count_quiet
-- How many children there are, how many of them borrowed nothing within some days, and how many
-- never did.
SELECT count(*) AS children, count(*) FILTER (WHERE recent.near IS NULL) AS none_in_30_days,
    count(*) FILTER (WHERE recent.student_id IS NULL) AS none_in_90_days,
    count(*) FILTER (WHERE recent.student_id IS NULL AND NOT EXISTS (
        SELECT FROM checkouts c WHERE c.student_id = s.student_id
    )) AS never
FROM students s
LEFT JOIN (
    SELECT student_id, max(checkout_date) FILTER (WHERE checkout_date > current_date - 30) AS near
    FROM checkouts WHERE checkout_date > current_date - 90 GROUP BY student_id
) recent USING (student_id);

-- name: list_quiet
-- Children who borrowed nothing for ninety days, those who never did first, then who waits longest.
SELECT s.student_id, s.display_name, s.grade_level, s.homeroom_teacher,
    (SELECT max(c.checkout_date) FROM checkouts c WHERE c.student_id = s.student_id) AS last_loan
FROM students s
WHERE NOT EXISTS (
    SELECT FROM checkouts c
    WHERE c.student_id = s.student_id AND c.checkout_date > current_date - 90
)
ORDER BY last_loan NULLS FIRST, lower(coalesce(s.display_name, s.student_id)), s.student_id
LIMIT %(most)s;

-- name: list_genres
-- Every genre with its books, their copies where these are counted, and its loans of the last ninety
-- days; a book counts for each of its genres.
WITH recent AS (
    SELECT book_id, count(*) AS loans FROM checkouts
    WHERE checkout_date > current_date - 90 AND checkout_date <= current_date GROUP BY book_id
)
SELECT genre.name AS genre, count(DISTINCT b.book_id) AS books,
    coalesce(sum(recent.loans), 0)::bigint AS loans,
    sum(b.copies_total)::bigint AS copies, sum(b.copies_available)::bigint AS available
FROM books b
CROSS JOIN LATERAL (SELECT DISTINCT lower(trim(g)) FROM unnest(b.genre) g) AS genre (name)
LEFT JOIN recent ON recent.book_id = b.book_id
WHERE b.title IS NOT NULL AND genre.name <> ''
GROUP BY genre.name ORDER BY loans DESC, genre LIMIT %(most)s;
