-- name: update_students
-- Lay the given fields over the stored rows; returns those that differ afterwards, and whether they
-- differ in more than the name: nothing is derived from that. The lock lets workers store what
-- refers to the student: with a stronger one the two would deadlock over the ledger's row.
UPDATE students s SET
    grade_level = n.grade_level, age = n.age, homeroom_teacher = n.homeroom_teacher,
    prior_year_reading_score = n.prior_year_reading_score, lunch_period = n.lunch_period,
    display_name = n.display_name, updated_at = now()
FROM (
    SELECT n.*,
           (o.grade_level, o.age, o.homeroom_teacher, o.prior_year_reading_score, o.lunch_period)
           IS DISTINCT FROM
           (n.grade_level, n.age, n.homeroom_teacher, n.prior_year_reading_score, n.lunch_period)
           AS described_anew,
           o.display_name IS DISTINCT FROM n.display_name AS named_anew
    FROM students o
    JOIN unnest(%(ids)s::text[], %(facts)s::jsonb[]) AS given (student_id, facts) USING (student_id)
    CROSS JOIN LATERAL jsonb_populate_record(o, given.facts) n
    ORDER BY o.student_id FOR NO KEY UPDATE OF o
) n
WHERE s.student_id = n.student_id AND (n.described_anew OR n.named_anew)
RETURNING s.student_id, n.described_anew;

-- name: update_books
-- Lay the given fields over the stored rows; returns those that differ afterwards, and whether they
-- differ in what describes the book: copies come and go with every loan, and nothing is derived from
-- them. The lock keeps new loans of the books out until the commit: their readers would otherwise
-- not be found.
UPDATE books b SET
    title = n.title, author = n.author, isbn = n.isbn, genre = n.genre, keywords = n.keywords,
    description = n.description, page_count = n.page_count, publication_year = n.publication_year,
    difficulty_band = n.difficulty_band, reading_level = n.reading_level,
    average_rating = n.average_rating, language = n.language, series = n.series,
    series_number = n.series_number, copies_total = n.copies_total,
    copies_available = n.copies_available, cover_url = n.cover_url, updated_at = now()
FROM (
    SELECT n.*,
           (o.title, o.author, o.isbn, o.genre, o.keywords, o.description, o.page_count,
            o.publication_year, o.difficulty_band, o.reading_level, o.average_rating, o.language,
            o.series, o.series_number)
           IS DISTINCT FROM
           (n.title, n.author, n.isbn, n.genre, n.keywords, n.description, n.page_count,
            n.publication_year, n.difficulty_band, n.reading_level, n.average_rating, n.language,
            n.series, n.series_number) AS described_anew,
           (o.copies_total, o.copies_available, o.cover_url) IS DISTINCT FROM
           (n.copies_total, n.copies_available, n.cover_url) AS shelved_anew
    FROM books o
    JOIN unnest(%(ids)s::text[], %(facts)s::jsonb[]) AS given (book_id, facts) USING (book_id)
    CROSS JOIN LATERAL jsonb_populate_record(o, given.facts) n
    ORDER BY o.book_id FOR UPDATE OF o
) n
WHERE b.book_id = n.book_id AND (n.described_anew OR n.shelved_anew)
RETURNING b.book_id, n.described_anew;

-- name: find_loans
-- Which loans have these ids now.
SELECT checkout_id, student_id, book_id, checkout_date FROM checkouts
WHERE checkout_id = ANY(%(ids)s::text[]);

-- name: move_checkouts
-- A loan whose own id now comes with another student, book or date: the old row goes.
DELETE FROM checkouts c
USING unnest(%(checkout_ids)s::text[], %(student_ids)s::text[], %(book_ids)s::text[],
             %(checkout_dates)s::date[]) AS n (checkout_id, student_id, book_id, checkout_date)
WHERE c.checkout_id = n.checkout_id
  AND (c.student_id, c.book_id, c.checkout_date) <> (n.student_id, n.book_id, n.checkout_date)
RETURNING c.student_id, c.checkout_id;

-- name: insert_checkouts
-- Loans not known yet, bare.
INSERT INTO checkouts (student_id, book_id, checkout_date)
SELECT student_id, book_id, checkout_date
FROM unnest(%(student_ids)s::text[], %(book_ids)s::text[], %(checkout_dates)s::date[])
     AS n (student_id, book_id, checkout_date)
ORDER BY student_id, book_id, checkout_date
ON CONFLICT DO NOTHING
RETURNING student_id, book_id, checkout_date;

-- name: update_checkouts
-- Lay the given fields over the stored loans; returns those that differ afterwards.
UPDATE checkouts c SET
    checkout_id = n.checkout_id, return_date = n.return_date, student_rating = n.student_rating
FROM (
    SELECT n.* FROM checkouts o
    JOIN unnest(%(student_ids)s::text[], %(book_ids)s::text[], %(checkout_dates)s::date[],
                %(facts)s::jsonb[]) AS given (student_id, book_id, checkout_date, facts)
         USING (student_id, book_id, checkout_date)
    CROSS JOIN LATERAL jsonb_populate_record(o, given.facts) n
    ORDER BY o.student_id, o.book_id, o.checkout_date FOR UPDATE OF o
) n
WHERE (c.student_id, c.book_id, c.checkout_date) = (n.student_id, n.book_id, n.checkout_date)
  AND (c.checkout_id, c.return_date, c.student_rating)
      IS DISTINCT FROM (n.checkout_id, n.return_date, n.student_rating)
RETURNING c.student_id, c.book_id, c.checkout_date;

-- name: find_readers
-- Who has borrowed any of these books.
SELECT DISTINCT book_id, student_id FROM checkouts WHERE book_id = ANY(%(ids)s::text[]);

-- name: lock_books
-- Keep new loans of these books out until the commit.
SELECT book_id FROM books WHERE book_id = ANY(%(ids)s::text[]) ORDER BY book_id FOR UPDATE;

-- name: delete_books
-- Remove books; their loans go along.
DELETE FROM books WHERE book_id = ANY(%(ids)s::text[]) RETURNING book_id;

-- name: find_holders
-- Whose neighbour lists hold these students, and how many others each list holds.
SELECT held.b, held.a, (
    SELECT count(*) FROM student_similarity other
    WHERE other.a = held.a AND other.b <> ALL(%(ids)s::text[])
) AS members_left
FROM student_similarity held
WHERE held.b = ANY(%(ids)s::text[]) AND held.a <> ALL(%(ids)s::text[]);

-- name: delete_students
-- Remove students; loans, profile, embedding and edges go along.
DELETE FROM students WHERE student_id = ANY(%(ids)s::text[]) RETURNING student_id;

-- name: delete_group_answers
-- Recommendations for groups that a deleted student was part of. Whoever stores one has locked the
-- members' rows, so a statement after the deletion sees it.
DELETE FROM recommendations WHERE member_ids && %(ids)s::text[];
