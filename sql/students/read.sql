-- name: read_student
-- One student with the profile as it was last built, and what the ledger says of both kinds.
SELECT s.student_id, s.grade_level, s.age, s.homeroom_teacher, s.prior_year_reading_score,
       s.lunch_period, s.created_at, s.updated_at, p.profile,
       e.kind, e.wanted = e.done, e.stale_since, e.done_at, e.done_event, e.error,
       e.dead_at IS NOT NULL,
       n.kind, n.wanted = n.done, n.stale_since, n.done_at, n.done_event, n.error,
       n.dead_at IS NOT NULL
FROM students s LEFT JOIN student_profiles p USING (student_id)
LEFT JOIN freshness e ON e.kind = 'student_embedding' AND e.key = s.student_id
LEFT JOIN freshness n ON n.kind = 'student_neighbors' AND n.key = s.student_id
WHERE s.student_id = %(student_id)s;

-- name: read_neighbors
-- The nearest neighbours, best first, and what the ledger says of the list. In one statement: a
-- second one would cost as much again.
SELECT near.ids, near.sims,
       f.kind, f.wanted = f.done AS fresh, f.stale_since, f.done_at AS updated_at,
       f.done_event AS last_event, f.error, f.dead_at IS NOT NULL AS dead
FROM students s
LEFT JOIN freshness f ON f.kind = 'student_neighbors' AND f.key = s.student_id
CROSS JOIN LATERAL (
    SELECT array_agg(b ORDER BY sim DESC, b) AS ids,
           array_agg(sim ORDER BY sim DESC, b) AS sims
    FROM (
        SELECT b, sim FROM student_similarity
        WHERE a = s.student_id ORDER BY sim DESC, b LIMIT %(limit)s
    ) best
) near
WHERE s.student_id = %(student_id)s;
