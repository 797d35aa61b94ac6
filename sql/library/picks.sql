-- name: list_picks
-- The staff's picks in the order of their boards, each with its effect: to how many children it was
-- recommended since it was picked, and how many borrowed it since. Answers are kept for a while only,
-- so older ones do not count.
WITH picks AS MATERIALIZED (
    SELECT p.*, b.title, b.author, b.reading_level AS level, b.cover_url, b.copies_available,
           b.copies_total
    FROM staff_picks p JOIN books b USING (book_id)
    ORDER BY p.place, p.picked_at DESC, p.book_id LIMIT %(most)s
), recommended AS MATERIALIZED (
    SELECT given.book_id, count(DISTINCT r.student_id) AS children
    FROM recommendations r CROSS JOIN LATERAL unnest(r.book_ids) AS given (book_id)
    JOIN picks USING (book_id)
    WHERE r.asked_at >= (SELECT min(picked_at) FROM picks) AND r.asked_at >= picks.picked_at
      AND r.book_ids && (SELECT array_agg(book_id) FROM picks) AND r.student_id IS NOT NULL
    GROUP BY given.book_id
)
SELECT picks.book_id, picks.title, picks.author, picks.level, picks.cover_url,
       picks.copies_available, picks.copies_total, picks.grades, picks.until, picks.note,
       picks.picked_at, picks.place,
       coalesce(recommended.children, 0) AS recommended,
       (SELECT count(DISTINCT c.student_id) FROM checkouts c
        WHERE c.book_id = picks.book_id AND c.checkout_date >= picks.picked_at::date) AS borrowed,
       picks.until IS NOT NULL AND picks.until < current_date AS is_over
FROM picks LEFT JOIN recommended USING (book_id)
ORDER BY picks.place, picks.picked_at DESC, picks.book_id;

-- name: lock_order
-- All picks in order, kept from being moved by somebody else until the commit.
SELECT book_id FROM staff_picks ORDER BY place, picked_at DESC, book_id FOR UPDATE;

-- name: store_order
-- The place of each pick by its place in the list.
UPDATE staff_picks p SET place = n.place
FROM unnest(%(book_ids)s::text[]) WITH ORDINALITY AS n (book_id, place)
WHERE p.book_id = n.book_id AND p.place IS DISTINCT FROM n.place;
