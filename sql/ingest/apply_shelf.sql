-- name: insert_feedback
-- One row per verdict, so that what was shown can be joined with what was borrowed later.
INSERT INTO book_feedback (event_id, student_id, book_id, verdict, recommendation_id, reason,
                           given_at)
SELECT event_id, student_id, book_id, verdict, recommendation_id, reason, given_at
FROM unnest(%(event_ids)s::uuid[], %(student_ids)s::text[], %(book_ids)s::text[],
            %(verdicts)s::text[], %(recommendation_ids)s::uuid[], %(reasons)s::text[],
            %(times)s::timestamptz[])
     AS n (event_id, student_id, book_id, verdict, recommendation_id, reason, given_at)
ORDER BY student_id, book_id
ON CONFLICT DO NOTHING;

-- name: insert_picks
-- Books that nobody has picked yet, bare.
INSERT INTO staff_picks (book_id)
SELECT book_id FROM unnest(%(ids)s::text[]) AS p (book_id) ORDER BY book_id
ON CONFLICT DO NOTHING
RETURNING book_id;

-- name: update_picks
-- Lay the given fields over the stored picks; returns those that differ afterwards.
UPDATE staff_picks p SET grades = n.grades, until = n.until, note = n.note
FROM (
    SELECT n.* FROM staff_picks o
    JOIN unnest(%(ids)s::text[], %(facts)s::jsonb[]) AS given (book_id, facts) USING (book_id)
    CROSS JOIN LATERAL jsonb_populate_record(o, given.facts) n
    ORDER BY o.book_id FOR UPDATE OF o
) n
WHERE p.book_id = n.book_id AND (p.grades, p.until, p.note) IS DISTINCT FROM (n.grades, n.until, n.note)
RETURNING p.book_id;

-- name: delete_picks
-- Books that are picked no longer.
DELETE FROM staff_picks WHERE book_id = ANY(%(ids)s::text[]) RETURNING book_id;
