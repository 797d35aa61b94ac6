-- name: lock_migrations
-- One migrator at a time; released when its connection closes. Tried again by the caller rather
-- than waited for: a waiting statement would hold a snapshot, which CREATE INDEX CONCURRENTLY waits for.
SELECT pg_try_advisory_lock(hashtext('kinfold.migrations'));

-- name: create_migrations
-- The list of applied files.
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: list_applied
-- What has been applied, with the checksum of the file as it was then.
SELECT name, checksum FROM schema_migrations ORDER BY name;

-- name: record_applied
-- Note one applied file.
INSERT INTO schema_migrations (name, checksum) VALUES (%(name)s, %(checksum)s);
