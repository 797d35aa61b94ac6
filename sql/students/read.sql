-- name: read_student
-- One student with the profile as it was last built, and the ledger's columns of both kinds, each
-- behind the name of its kind.
SELECT s.student_id, s.grade_level, s.age, s.homeroom_teacher, s.prior_year_reading_score,
       s.lunch_period, s.created_at, s.updated_at, p.profile,
       e.wanted = e.done AS student_embedding_fresh, e.stale_since AS student_embedding_stale_since,
       e.done_at AS student_embedding_updated_at, e.done_event AS student_embedding_last_event,
       e.error AS student_embedding_error, e.dead_at IS NOT NULL AS student_embedding_dead,
       n.wanted = n.done AS student_neighbors_fresh, n.stale_since AS student_neighbors_stale_since,
       n.done_at AS student_neighbors_updated_at, n.done_event AS student_neighbors_last_event,
       n.error AS student_neighbors_error, n.dead_at IS NOT NULL AS student_neighbors_dead
FROM students s LEFT JOIN student_profiles p USING (student_id)
LEFT JOIN freshness e ON e.kind = 'student_embedding' AND e.key = s.student_id
LEFT JOIN freshness n ON n.kind = 'student_neighbors' AND n.key = s.student_id
WHERE s.student_id = %(student_id)s;

-- name: read_neighbors
-- The nearest neighbours, best first, and what the ledger says of the list. In one statement: a
-- second one would cost as much again.
SELECT near.ids, near.similarities,
       f.wanted = f.done AS student_neighbors_fresh, f.stale_since AS student_neighbors_stale_since,
       f.done_at AS student_neighbors_updated_at, f.done_event AS student_neighbors_last_event,
       f.error AS student_neighbors_error, f.dead_at IS NOT NULL AS student_neighbors_dead
FROM students s
LEFT JOIN freshness f ON f.kind = 'student_neighbors' AND f.key = s.student_id
CROSS JOIN LATERAL (
    SELECT array_agg(b ORDER BY sim DESC, b) AS ids,
           array_agg(sim ORDER BY sim DESC, b) AS similarities
    FROM (
        SELECT b, sim FROM student_similarity
        WHERE a = s.student_id ORDER BY sim DESC, b LIMIT %(limit)s
    ) best
) near
WHERE s.student_id = %(student_id)s;
