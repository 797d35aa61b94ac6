-- name: insert_reader
-- A new list, still empty, under the hash of its code.
INSERT INTO readers (code_hash) VALUES (%(code_hash)s);

-- name: find_reader
-- The list of a code, which is used by that; and what its other titles are about. One that was not
-- used for too long is as good as deleted.
UPDATE readers SET used_at = now()
WHERE code_hash = %(code_hash)s AND used_at >= now() - make_interval(days => %(days)s)
RETURNING reader_id, elsewhere, elsewhere_of;

-- name: lock_reader
-- The list of a code, for whoever writes it: one at a time.
SELECT reader_id FROM readers
WHERE code_hash = %(code_hash)s AND used_at >= now() - make_interval(days => %(days)s)
FOR UPDATE;

-- name: read_books
-- The books of a list, in its order.
SELECT title, author, isbn, rating::int, book_id FROM reader_books
WHERE reader_id = %(reader_id)s ORDER BY place;

-- name: read_verdicts
-- What a reader said of recommended books.
SELECT book_id, verdict FROM reader_verdicts WHERE reader_id = %(reader_id)s ORDER BY book_id;

-- name: delete_books
-- The list as it was, before another one takes its place.
DELETE FROM reader_books WHERE reader_id = %(reader_id)s;

-- name: insert_books
-- A list in its order. A book that was deleted since it was matched is one that is not there.
WITH known AS (
    SELECT book_id FROM books WHERE book_id = ANY(%(book_ids)s::text[])
    ORDER BY book_id FOR KEY SHARE
)
INSERT INTO reader_books (reader_id, place, title, author, isbn, rating, book_id)
SELECT %(reader_id)s, n.place, n.title, n.author, n.isbn, n.rating, b.book_id
FROM unnest(%(titles)s::text[], %(authors)s::text[], %(isbns)s::text[], %(ratings)s::smallint[],
        %(book_ids)s::text[]) WITH ORDINALITY AS n (title, author, isbn, rating, id, place)
LEFT JOIN known b ON b.book_id = n.id;

-- name: store_verdict
-- The newest verdict on a book is the one that counts.
INSERT INTO reader_verdicts (reader_id, book_id, verdict)
SELECT %(reader_id)s, book_id, %(verdict)s FROM books WHERE book_id = %(book_id)s FOR KEY SHARE
ON CONFLICT (reader_id, book_id) DO UPDATE SET verdict = excluded.verdict;

-- name: store_elsewhere
-- What the titles are about that the catalogue lacks, with a hash of what it was made from.
UPDATE readers SET elsewhere = %(vec)b::halfvec, elsewhere_of = %(made_of)s
WHERE reader_id = %(reader_id)s;

-- name: delete_reader
-- A list with everything that belongs to it.
DELETE FROM readers WHERE code_hash = %(code_hash)s;

-- name: delete_unused
-- Lists that nobody has opened for some days.
DELETE FROM readers WHERE used_at < now() - make_interval(days => %(days)s);
