-- name: is_empty
-- Whether there is nothing yet.
SELECT NOT EXISTS (SELECT FROM students) AND NOT EXISTS (SELECT FROM books)
   AND NOT EXISTS (SELECT FROM posts);
