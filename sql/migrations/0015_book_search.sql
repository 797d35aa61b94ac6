-- Words of the catalogue: what a search box looks up. Everything here follows a book's row by itself.

-- Text as people type it: lower case, no accents, no punctuation. What writes without spaces
-- between words (Chinese, Japanese) is looked up sign by sign.
CREATE FUNCTION fold(given text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN btrim(regexp_replace(regexp_replace(normalize(regexp_replace(normalize(
    replace(replace(replace(replace(translate(lower(given), 'øłđðı', 'olddi'),
        'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'),
    NFKD), '[\u0300-\u036f''\u2019\u02bc]', '', 'g'), NFKC),
    '[\u3040-\u30ff\u3400-\u9fff]', ' \& ', 'g'),
    '[\u0001-/:-@\[-`{-\u00bf\u2000-\u206f\u3000-\u303f]+', ' ', 'g'));

CREATE FUNCTION fold_all(given text[]) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
RETURN ARRAY(SELECT fold(each) FROM unnest(given) AS each);

-- The stemmer for a language tag, as MARC or BCP 47 name it; books of no named language are taken
-- for English. Null where Postgres has none.
CREATE FUNCTION stemmer_of(tag text) RETURNS regdictionary LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE split_part(coalesce(tag, 'en'), '-', 1)
    WHEN 'en' THEN 'english_stem'::regdictionary WHEN 'eng' THEN 'english_stem'::regdictionary
    WHEN 'de' THEN 'german_stem'::regdictionary WHEN 'ger' THEN 'german_stem'::regdictionary
    WHEN 'deu' THEN 'german_stem'::regdictionary
    WHEN 'fr' THEN 'french_stem'::regdictionary WHEN 'fre' THEN 'french_stem'::regdictionary
    WHEN 'fra' THEN 'french_stem'::regdictionary
    WHEN 'es' THEN 'spanish_stem'::regdictionary WHEN 'spa' THEN 'spanish_stem'::regdictionary
    WHEN 'it' THEN 'italian_stem'::regdictionary WHEN 'ita' THEN 'italian_stem'::regdictionary
    WHEN 'pt' THEN 'portuguese_stem'::regdictionary WHEN 'por' THEN 'portuguese_stem'::regdictionary
    WHEN 'nl' THEN 'dutch_stem'::regdictionary WHEN 'dut' THEN 'dutch_stem'::regdictionary
    WHEN 'nld' THEN 'dutch_stem'::regdictionary
    WHEN 'sv' THEN 'swedish_stem'::regdictionary WHEN 'swe' THEN 'swedish_stem'::regdictionary
    WHEN 'da' THEN 'danish_stem'::regdictionary WHEN 'dan' THEN 'danish_stem'::regdictionary
    WHEN 'no' THEN 'norwegian_stem'::regdictionary WHEN 'nb' THEN 'norwegian_stem'::regdictionary
    WHEN 'nor' THEN 'norwegian_stem'::regdictionary
    WHEN 'fi' THEN 'finnish_stem'::regdictionary WHEN 'fin' THEN 'finnish_stem'::regdictionary
    WHEN 'ru' THEN 'russian_stem'::regdictionary WHEN 'rus' THEN 'russian_stem'::regdictionary
    WHEN 'hu' THEN 'hungarian_stem'::regdictionary WHEN 'hun' THEN 'hungarian_stem'::regdictionary
    WHEN 'tr' THEN 'turkish_stem'::regdictionary WHEN 'tur' THEN 'turkish_stem'::regdictionary
    WHEN 'ar' THEN 'arabic_stem'::regdictionary WHEN 'ara' THEN 'arabic_stem'::regdictionary
    WHEN 'el' THEN 'greek_stem'::regdictionary WHEN 'gre' THEN 'greek_stem'::regdictionary
END;

-- Folded words and, beside them, what each is stemmed to: "ghosts" is found by "ghost".
CREATE FUNCTION word_forms(words text[], stemmer regdictionary) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    SELECT word FROM unnest(words) AS word
    UNION
    SELECT unnest(ts_lexize(stemmer, word)) FROM unnest(words) AS word WHERE stemmer IS NOT NULL
);

-- Words of one field, with a weight: A the title, B author, C series, genres and keywords, D the
-- description.
CREATE FUNCTION field_words(given text, stemmer regdictionary, weight "char") RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN given IS NULL THEN ''::tsvector ELSE setweight(
    to_tsvector('pg_catalog.simple', array_to_string(
        word_forms(string_to_array(fold(given), ' '), stemmer), ' ')), weight) END;

CREATE FUNCTION book_words(
    title text, author text, series text, genre text[], keywords text[], description text, tag text
) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN field_words(title, stemmer_of(tag), 'A')
    -- A name is no word to stem.
    || field_words(author, NULL, 'B')
    || field_words(concat_ws(' ', series, array_to_string(genre || keywords, ' ')), stemmer_of(tag), 'C')
    || field_words(description, stemmer_of(tag), 'D');

ALTER TABLE books
    ADD COLUMN words tsvector
        GENERATED ALWAYS AS (book_words(title, author, series, genre, keywords, description, language)) STORED,
    ADD COLUMN genre_folded text[] GENERATED ALWAYS AS (fold_all(genre)) STORED;

CREATE INDEX books_words ON books USING gin (words);
-- Whoever types a whole title means that book, however common its words are. Cut, because a page of
-- an index holds no longer text.
CREATE INDEX books_title_folded ON books (left(fold(title), 200));

-- Filters of a search: where few books are left, they are compared one by one.
CREATE INDEX books_genre_folded ON books USING gin (genre_folded);
CREATE INDEX books_reading_level ON books (reading_level);
CREATE INDEX books_language_main ON books (split_part(language, '-', 1));

-- Whether a book may be in an answer; a null filter lets everything through. A book whose level or
-- language is unknown fits no filter by it; one whose copies are unknown counts as available.
CREATE FUNCTION fits(
    level real, genre_folded text[], language text, copies_available integer,
    level_min real, level_max real, genres text[], tag text, available boolean
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (level_min IS NULL OR level >= level_min)
    AND (level_max IS NULL OR level <= level_max)
    AND (genres IS NULL OR genre_folded && genres)
    AND (tag IS NULL OR (split_part(language, '-', 1) = split_part(tag, '-', 1)
                         AND (strpos(tag, '-') = 0 OR language = tag)))
    AND (available IS NOT TRUE OR coalesce(copies_available, 1) > 0);
