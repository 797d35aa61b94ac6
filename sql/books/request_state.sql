-- name: read_state
-- What may differ from one answer to the next and is small: which model is read, how terms are
-- weighed, what the staff picks and hides.
SELECT p.model_id, m.half_life::float8, w.version AS weights_version, w.weights,
    picks.book_ids AS pick_ids, picks.grades AS pick_grades,
    (SELECT array_agg(book_id ORDER BY book_id) FROM hidden_books) AS hidden_ids,
    current_date AS today
FROM (SELECT) one
LEFT JOIN recommendation_pointer p ON true
LEFT JOIN recommendation_models m USING (model_id)
LEFT JOIN LATERAL (
    SELECT version, weights FROM term_weights ORDER BY version DESC LIMIT 1
) w ON true
CROSS JOIN LATERAL (
    SELECT array_agg(book_id ORDER BY book_id) AS book_ids,
        jsonb_agg(grades ORDER BY book_id) AS grades
    FROM staff_picks WHERE until IS NULL OR until >= current_date
) picks;
