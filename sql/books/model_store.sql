-- name: begin_model
-- A model for a run; one that a killed worker began is begun anew.
INSERT INTO recommendation_models (run_id) VALUES (%(run_id)s)
ON CONFLICT (run_id) DO UPDATE SET begun_at = now(), ready_at = NULL
RETURNING model_id;

-- name: forget_weights
-- What a killed worker had stored of a model.
DELETE FROM recommendation_weights WHERE model_id = %(model_id)s;

-- name: insert_part
-- The weights of some hundred books.
INSERT INTO recommendation_weights (model_id, part, book_ids, others, weights)
VALUES (%(model_id)s, %(part)s, %(book_ids)s, %(others)s, %(weights)s);

-- name: finish_model
-- From now on the model can be read.
UPDATE recommendation_models SET ready_at = now(), ridge = %(ridge)s, half_life = %(half_life)s,
    students = %(students)s, books = %(books)s, loans = %(loans)s, figures = %(figures)s
WHERE model_id = %(model_id)s;

-- name: activate
-- Point at a model that is ready; the one before stays for a rollback.
INSERT INTO recommendation_pointer AS p (model_id)
SELECT model_id FROM recommendation_models
WHERE model_id = %(model_id)s AND ready_at IS NOT NULL
ON CONFLICT (singleton) DO UPDATE SET model_id = excluded.model_id, previous = p.model_id,
    activated_at = now()
WHERE p.model_id <> excluded.model_id
RETURNING model_id;

-- name: roll_back
-- Point at the model before; going back twice comes to the same.
UPDATE recommendation_pointer SET model_id = previous, previous = model_id, activated_at = now()
WHERE previous IS NOT NULL
RETURNING model_id;

-- name: remove_old
-- Keep the model that is read, the one before, and the newest others; a run may still be building.
DELETE FROM recommendation_models m
WHERE m.ready_at IS NOT NULL
  AND NOT EXISTS (
    SELECT FROM recommendation_pointer p WHERE m.model_id IN (p.model_id, p.previous))
  AND m.model_id NOT IN (
    SELECT model_id FROM recommendation_models WHERE ready_at IS NOT NULL
    ORDER BY model_id DESC LIMIT %(kept)s)
RETURNING m.model_id;

-- name: read_model
-- One model, whether it is read now, and whether it can be.
SELECT m.model_id, m.run_id, m.begun_at, m.ready_at, m.ridge, m.half_life, m.students, m.books,
    m.loans, m.figures, coalesce(p.model_id = m.model_id, false) AS active, p.activated_at
FROM recommendation_models m LEFT JOIN recommendation_pointer p ON true
WHERE m.model_id = %(model_id)s;

-- name: list_models
-- Every model, the newest first.
SELECT m.model_id, m.run_id, m.begun_at, m.ready_at, m.ridge, m.half_life, m.students, m.books,
    m.loans, m.figures, coalesce(p.model_id = m.model_id, false) AS active, p.activated_at
FROM recommendation_models m LEFT JOIN recommendation_pointer p ON true
ORDER BY m.model_id DESC;

-- name: read_weights
-- A model's weights, part by part, in the order of its books.
SELECT book_ids, others, weights FROM recommendation_weights
WHERE model_id = %(model_id)s ORDER BY part;
