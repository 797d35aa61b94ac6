-- name: read_facts
-- What recommending needs of each of these students, as of one moment: so a loan counts in the very
-- next answer. Loans the oldest first; of neighbours the version of their facts, which any change
-- raises.
SELECT s.student_id, s.grade_level,
    (p.profile -> 'reading_level' ->> 'value')::float8 AS level,
    (p.profile -> 'reading_level' ->> 'slope_per_30_days')::float8 AS slope,
    loans.book_ids AS loan_ids, loans.days AS loan_days, loans.ratings AS loan_ratings,
    verdicts.book_ids AS verdict_ids, verdicts.verdicts, verdicts.ages_s AS verdict_ages_s,
    near.ids AS neighbor_ids, near.sims AS neighbor_sims,
    near.versions AS neighbor_versions,
    e.wanted = e.done AND n.wanted = n.done AS fresh,
    coalesce(e.last_event, n.last_event) AS last_event
FROM students s
LEFT JOIN student_profiles p USING (student_id)
LEFT JOIN freshness e ON e.kind = 'student_embedding' AND e.key = s.student_id
LEFT JOIN freshness n ON n.kind = 'student_neighbors' AND n.key = s.student_id
CROSS JOIN LATERAL (
    SELECT array_agg(c.book_id ORDER BY c.checkout_date, c.book_id) AS book_ids,
        array_agg(c.checkout_date - date '1970-01-01' ORDER BY c.checkout_date, c.book_id) AS days,
        array_agg(c.student_rating::int ORDER BY c.checkout_date, c.book_id) AS ratings
    FROM checkouts c WHERE c.student_id = s.student_id
) loans
CROSS JOIN LATERAL (
    -- The newest verdict of each sort on each book.
    SELECT array_agg(v.book_id) AS book_ids, array_agg(v.verdict) AS verdicts,
        array_agg(v.age_s) AS ages_s
    FROM (
        SELECT f.book_id, f.verdict,
            extract(epoch FROM now() - max(f.given_at))::float8 AS age_s
        FROM book_feedback f WHERE f.student_id = s.student_id
        GROUP BY f.book_id, f.verdict
    ) v
) verdicts
CROSS JOIN LATERAL (
    SELECT array_agg(best.b ORDER BY best.sim DESC, best.b) AS ids,
        array_agg(best.sim ORDER BY best.sim DESC, best.b) AS sims,
        array_agg(concat_ws(' ', f.wanted, f.last_event) ORDER BY best.sim DESC, best.b) AS versions
    FROM (
        SELECT b, sim FROM student_similarity WHERE a = s.student_id
        ORDER BY sim DESC, b LIMIT %(neighbors)s
    ) best
    LEFT JOIN freshness f ON f.kind = 'student_embedding' AND f.key = best.b
) near
WHERE s.student_id = ANY(%(student_ids)s::text[])
ORDER BY array_position(%(student_ids)s::text[], s.student_id);

-- name: read_profile_vectors
-- The vectors of profiles, where a student's loans have none of their own to go by.
SELECT student_id, vec FROM student_embeddings
WHERE student_id = ANY(%(student_ids)s::text[])
  AND model = %(model)s AND dimensions = %(dimensions)s;
