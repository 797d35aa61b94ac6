-- name: find_isbns
-- The books of these ISBNs, by what the forms of an ISBN share; of several editions the first id.
SELECT isbn_core(isbn), min(book_id) FROM books
WHERE isbn_core(isbn) = ANY(%(isbns)s::text[]) AND title IS NOT NULL
GROUP BY isbn_core(isbn);

-- name: find_ids
-- Those of these ids that the catalogue has.
SELECT book_id FROM books WHERE book_id = ANY(%(book_ids)s::text[]) AND title IS NOT NULL;
