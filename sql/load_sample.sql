-- name: is_empty
-- Whether the library holds nothing yet.
SELECT NOT EXISTS (SELECT FROM students) AND NOT EXISTS (SELECT FROM books);
