-- name: count_fitting
-- How many books fit a filter, as far as it matters whether they can be compared one by one.
SELECT count(*) FROM (
    SELECT FROM books b
    WHERE fits(b.reading_level, b.genre_folded, b.language, b.copies_available, %(level_min)s::real,
               %(level_max)s::real, fold_all(%(genres)s::text[]), %(tag)s::text, %(available)s::boolean)
    LIMIT %(most)s
) fitting;

-- name: set_search
-- For this transaction: how far a search looks around in the index; that it goes on from there, and
-- neither ends nor yields whatever it has passed before the statement's own limit; and that a plan
-- which sorts is none: where books are few it looks cheaper than the index and compares them all.
SELECT set_config('hnsw.ef_search', %(ef_search)s::text, true),
       set_config('hnsw.iterative_scan', 'relaxed_order', true),
       set_config('hnsw.max_scan_tuples', '2147483647', true),
       set_config('hnsw.scan_mem_multiplier', '8', true),
       set_config('enable_sort', 'off', true);

-- name: nearest_indexed
-- The nearest books by the index, which yields them until enough of them fit, each of its steps in
-- order; in strict order it would leave out what a later step finds nearer. The limit inside bounds
-- what it yields. Whether one fits is asked per book: a join would make the planner take all first.
WITH near AS MATERIALIZED (
    SELECT yielded.book_id, yielded.distance
    FROM (
        SELECT e.book_id, e.vec::halfvec({dimensions}) <=> %(vec)b::halfvec({dimensions}) AS distance
        FROM book_embeddings e WHERE e.model = {model} AND e.dimensions = {dimensions}
        ORDER BY e.vec::halfvec({dimensions}) <=> %(vec)b::halfvec({dimensions})
        LIMIT %(yielded)s
    ) yielded
    WHERE yielded.book_id <> %(but)s AND (%(everything)s::boolean OR coalesce((
        SELECT fits(b.reading_level, b.genre_folded, b.language, b.copies_available,
                    %(level_min)s::real, %(level_max)s::real, fold_all(%(genres)s::text[]),
                    %(tag)s::text, %(available)s::boolean)
        FROM books b WHERE b.book_id = yielded.book_id), false))
    LIMIT %(most)s
)
-- Plus nothing, because the planner believes that they are in order.
SELECT book_id, (1 - distance)::float8 AS likeness FROM near ORDER BY distance + 0, book_id;

-- name: nearest_compared
-- The nearest books by comparing all that fit.
SELECT e.book_id, (1 - (e.vec <=> %(vec)b::halfvec))::float8 AS likeness
FROM book_embeddings e JOIN books b USING (book_id)
WHERE e.model = %(model)s AND e.dimensions = %(dimensions)s AND e.book_id <> %(but)s
  AND fits(b.reading_level, b.genre_folded, b.language, b.copies_available, %(level_min)s::real,
           %(level_max)s::real, fold_all(%(genres)s::text[]), %(tag)s::text, %(available)s::boolean)
ORDER BY e.vec <=> %(vec)b::halfvec, e.book_id
LIMIT %(most)s;
