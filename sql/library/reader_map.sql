-- name: read_sample
-- Vectors of profiles, of the current model: everybody's, or the same part of them each time. Ids are
-- sorted without the vectors, which are wide.
SELECT e.student_id, e.vec FROM student_embeddings e
JOIN (
    SELECT student_id FROM student_embeddings
    WHERE model = %(model)s AND dimensions = %(dimensions)s
    ORDER BY hashtextextended(student_id, 0), student_id LIMIT %(most)s
) chosen USING (student_id);

-- name: read_chosen
-- Vectors of the profiles of one homeroom or grade, chosen in the same way.
SELECT e.student_id, e.vec FROM student_embeddings e
JOIN (
    SELECT s.student_id FROM students s JOIN student_embeddings own USING (student_id)
    WHERE own.model = %(model)s AND own.dimensions = %(dimensions)s
      AND (%(homeroom)s::text IS NULL OR s.homeroom_teacher = %(homeroom)s)
      AND (%(grade)s::smallint IS NULL OR s.grade_level = %(grade)s)
    ORDER BY hashtextextended(s.student_id, 0), s.student_id LIMIT %(most)s
) chosen USING (student_id);

-- name: list_facts
-- What the map says of these students, by name.
SELECT s.student_id, s.display_name, s.grade_level, s.homeroom_teacher,
    (p.profile -> 'reading_level' ->> 'value')::float8 AS level,
    coalesce((p.profile ->> 'checkouts')::int, 0) AS loans, led.genre
FROM students s LEFT JOIN student_profiles p USING (student_id)
LEFT JOIN LATERAL (
    SELECT share.key AS genre FROM jsonb_each_text(p.profile -> 'genre_shares') share
    ORDER BY share.value::float8 DESC, share.key LIMIT 1
) led ON true
WHERE s.student_id = ANY(%(student_ids)s::text[])
ORDER BY lower(coalesce(s.display_name, s.student_id)), s.student_id;

-- name: list_near
-- Of each of these students the neighbours that readers see and that are among them, the nearest
-- first.
SELECT near.a AS student_id, array_agg(near.b ORDER BY near.place) AS near
FROM (
    SELECT n.a, n.b, row_number() OVER (PARTITION BY n.a ORDER BY n.sim DESC, n.b) AS place
    FROM student_similarity n WHERE n.a = ANY(%(student_ids)s::text[])
) near
WHERE near.place <= %(neighbors)s AND near.b = ANY(%(student_ids)s::text[])
GROUP BY near.a;

-- name: count_readers
-- How many students there are, and how many have a vector of the current model.
SELECT count(*) AS students, count(e.student_id) AS placed
FROM students s LEFT JOIN student_embeddings e
    ON e.student_id = s.student_id AND e.model = %(model)s AND e.dimensions = %(dimensions)s
WHERE (%(homeroom)s::text IS NULL OR s.homeroom_teacher = %(homeroom)s)
  AND (%(grade)s::smallint IS NULL OR s.grade_level = %(grade)s);
