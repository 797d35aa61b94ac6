-- name: insert_weights
-- From now on terms are weighed so.
INSERT INTO term_weights (weights, changed_by) VALUES (%(weights)s, %(changed_by)s)
RETURNING version;

-- name: list_weights
-- Every version, the newest first.
SELECT version, weights, changed_at, changed_by FROM term_weights ORDER BY version DESC
LIMIT %(limit)s;

-- name: read_weights
-- One version.
SELECT version, weights, changed_at, changed_by FROM term_weights WHERE version = %(version)s;
