-- name: log_rebuild
-- The run is the event behind the edges that it writes.
INSERT INTO events (event_id, event_type) VALUES (%(run_id)s, 'neighbors_rebuilt') ON CONFLICT DO NOTHING;

-- name: delete_strays
-- Edges of students that the current model does not know.
DELETE FROM student_similarity e
WHERE NOT EXISTS (
    SELECT FROM student_embeddings v
    WHERE v.student_id = e.a AND v.model = %(model)s AND v.dimensions = %(dimensions)s
) OR NOT EXISTS (
    SELECT FROM student_embeddings v
    WHERE v.student_id = e.b AND v.model = %(model)s AND v.dimensions = %(dimensions)s
)
RETURNING a;
