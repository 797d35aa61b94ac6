-- name: insert_answer
-- An answer as it was given. Members of a group are locked: one who is being deleted is waited for,
-- and takes the answer along. Its commit does not wait for the disk: a crash may lose an answer, not
-- a fact.
WITH relaxed AS (
    SELECT set_config('synchronous_commit', 'off', true) AS setting
), members AS (
    SELECT student_id FROM students
    WHERE student_id = ANY(%(member_ids)s::text[]) ORDER BY student_id FOR KEY SHARE
)
INSERT INTO recommendations (recommendation_id, student_id, member_ids, model_id, book_ids,
    earlier_ids, degraded, answer)
SELECT %(recommendation_id)s, %(student_id)s, %(member_ids)s, %(model_id)s, %(book_ids)s,
    %(earlier_ids)s, %(degraded)s, %(answer)s::text::jsonb
FROM relaxed
WHERE setting = 'off' AND (%(member_ids)s::text[] IS NULL
   OR (SELECT count(*) FROM members) = cardinality(%(member_ids)s::text[]));

-- name: read_answer
-- An answer again, as it was.
SELECT answer FROM recommendations WHERE recommendation_id = %(recommendation_id)s;

-- name: read_page
-- What an answer showed and what pages before it did: the next page leaves these out.
SELECT earlier_ids || book_ids FROM recommendations
WHERE recommendation_id = %(recommendation_id)s;

-- name: read_shown
-- The books that are about to be shown as they are now, and titles of those that reasons name.
SELECT book_id, title, author, reading_level::float8 AS level, difficulty_band AS band,
    copies_available, copies_total, cover_url, series, series_number::float8
FROM books WHERE book_id = ANY(%(book_ids)s::text[]) AND title IS NOT NULL;
