-- name: list_keys
-- All keys that were made while Kinfold ran, by name.
SELECT name, role, digest, homerooms, created_at, created_by FROM api_keys ORDER BY name;

-- name: insert_key
-- A new key; no row comes back if one of this name is there.
INSERT INTO api_keys (name, role, digest, homerooms, created_by)
VALUES (%(name)s, %(role)s, %(digest)s, %(homerooms)s, %(created_by)s)
ON CONFLICT (name) DO NOTHING RETURNING name;

-- name: delete_key
-- A key that shall work no longer.
DELETE FROM api_keys WHERE name = %(name)s RETURNING name;
