-- name: find_by_words
-- The books that hold the words of a query, those that hold most of what its words weigh first. A
-- word weighs the more, the fewer books hold it, and a quarter of that if a stemmer drops it. It
-- counts in full in a title or a name, half elsewhere, and the last one also as the beginning of a
-- word. Candidates hold one of the three rarest words, which few books do, or all words, or have the
-- query as their title; so the cost is bounded whatever is asked.
WITH RECURSIVE languages AS (
    -- One step in the index per language and not per book.
    (SELECT split_part(language, '-', 1) AS main FROM books WHERE language IS NOT NULL
     ORDER BY split_part(language, '-', 1) LIMIT 1)
    UNION ALL
    SELECT (SELECT split_part(b.language, '-', 1) FROM books b
            WHERE split_part(b.language, '-', 1) > languages.main
            ORDER BY split_part(b.language, '-', 1) LIMIT 1)
    FROM languages WHERE languages.main IS NOT NULL
), query AS MATERIALIZED (
    SELECT fold(%(q)s) AS folded, fold_all(%(genres)s::text[]) AS genres
), named AS (
    SELECT word, max(place) AS place
    FROM query, unnest(string_to_array(folded, ' ')) WITH ORDINALITY AS each (word, place)
    WHERE word <> '' GROUP BY word ORDER BY max(place) DESC LIMIT %(most_words)s
), forms AS (
    SELECT word, place,
        (SELECT array_agg(DISTINCT form) FROM (
            SELECT word AS form
            UNION ALL
            SELECT unnest(ts_lexize(stemmer_of(main), word)) FROM languages
            WHERE stemmer_of(main) IS NOT NULL
            UNION ALL
            SELECT unnest(ts_lexize(stemmer_of(NULL), word))
        ) form) AS forms,
        CASE WHEN place = max(place) OVER () AND length(word) > 1 THEN word END AS beginning,
        ts_lexize(stemmer_of(NULL), word) = ARRAY[]::text[] OR EXISTS (
            SELECT FROM languages WHERE ts_lexize(stemmer_of(main), word) = ARRAY[]::text[]
        ) AS is_stop
    FROM named
), queries AS (
    SELECT word, place, is_stop,
        array_to_string(forms, ' | ')::tsquery AS whole,
        array_to_string(forms, ':AB | ')::tsquery
            || (forms[array_length(forms, 1)] || ':AB')::tsquery AS whole_named,
        coalesce((beginning || ':*')::tsquery, ''::tsquery) AS beginning,
        coalesce((beginning || ':*AB')::tsquery, ''::tsquery) AS beginning_named
    FROM forms
), counted AS MATERIALIZED (
    SELECT queries.*, whole || beginning AS either, holding.books,
        ln(1 + (%(most_books)s + 1)::float8 / greatest(holding.books, 1))
            * CASE WHEN is_stop THEN 0.25 ELSE 1 END AS weight,
        row_number() OVER (ORDER BY holding.books, place) AS rarity
    FROM queries CROSS JOIN LATERAL (
        SELECT count(*) AS books FROM (
            SELECT FROM books b WHERE b.words @@ (whole || beginning) LIMIT %(most_books)s + 1
        ) holders
    ) holding
), asked AS MATERIALIZED (
    SELECT (SELECT folded FROM query) AS folded, (SELECT genres FROM query) AS genres,
        coalesce(
            (SELECT string_agg('(' || either::text || ')', ' | ' ORDER BY rarity)::tsquery
             FROM counted WHERE books BETWEEN 1 AND %(most_books)s AND rarity <= 3),
            string_agg('(' || either::text || ')', ' & ')::tsquery
        ) AS held,
        string_agg('(' || word || ':B)', ' & ')::tsquery AS name
    FROM counted
), candidates AS MATERIALIZED (
    -- The title that was typed, however common its words are; few have one and the same.
    (SELECT b.book_id, b.title, b.author, b.words, true AS is_title
     FROM books b, asked
     WHERE left(fold(b.title), 200) = left(asked.folded, 200) AND fold(b.title) = asked.folded
       AND fits(b.reading_level, b.genre_folded, b.language, b.copies_available, %(level_min)s::real,
                %(level_max)s::real, asked.genres, %(tag)s::text, %(available)s::boolean)
     LIMIT %(most)s)
    UNION ALL
    (SELECT b.book_id, b.title, b.author, b.words, false
     FROM books b, asked
     WHERE b.words @@ asked.held
       AND fits(b.reading_level, b.genre_folded, b.language, b.copies_available, %(level_min)s::real,
                %(level_max)s::real, asked.genres, %(tag)s::text, %(available)s::boolean)
     LIMIT 3 * %(most_books)s)
), scored AS MATERIALIZED (
    SELECT book_id, title, words, is_title,
        -- A name ends with the words, as a surname does; folding it is dear, and few hold all of them.
        words @@ asked.name
            AND ' ' || fold(author) || ' and ' LIKE '%% ' || asked.folded || ' and %%' AS is_author,
        (SELECT sum(weight * CASE
                    WHEN NOT words @@ either THEN 0
                    WHEN words @@ whole_named THEN 1.0 WHEN words @@ beginning_named THEN 0.8
                    WHEN words @@ whole THEN 0.5 ELSE 0.4 END) / sum(weight)
         FROM counted) AS share
    FROM candidates, asked
), best AS MATERIALIZED (
    SELECT book_id, title, words, is_title, is_author, share FROM scored
    WHERE is_title OR (share >= %(least_share)s
        -- Not those again that are found by their title.
        AND book_id NOT IN (SELECT c.book_id FROM candidates c WHERE c.is_title))
    ORDER BY is_title DESC, is_author DESC NULLS LAST, share DESC, length(title), book_id
    LIMIT %(most)s
)
SELECT book_id, coalesce(held.words, held.all_words, ARRAY[]::text[]) AS words, share::float8 AS share,
       -- The query is the title or a name; or all of it stands in them.
       CASE WHEN is_title OR is_author THEN 2 WHEN share > 0.999 THEN 1 ELSE 0 END AS named
FROM best CROSS JOIN LATERAL (
    SELECT array_agg(word ORDER BY place) FILTER (WHERE NOT is_stop) AS words,
           array_agg(word ORDER BY place) AS all_words
    FROM counted WHERE best.words @@ either
) held
ORDER BY is_title DESC, is_author DESC NULLS LAST, share DESC, length(title), book_id;

-- name: show_books
-- What a list shows of its books, in their order.
SELECT b.book_id, b.title, b.author, b.reading_level AS level, b.genre AS genres, b.language,
       b.series, b.series_number, b.copies_available, b.cover_url
FROM unnest(%(ids)s::text[]) WITH ORDINALITY AS listed (book_id, place) JOIN books b USING (book_id)
ORDER BY listed.place;
