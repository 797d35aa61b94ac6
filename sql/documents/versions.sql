-- name: lock_versions
-- One change of versions at a time.
SELECT pg_advisory_xact_lock(hashtext('document_versions'));

-- name: find_version
-- The version of a model, dimension and codec.
SELECT version, model, dimensions, codec, state, created_at, activated_at, remove_after
FROM document_versions
WHERE model = %(model)s AND dimensions = %(dimensions)s AND codec = %(codec)s;

-- name: add_version
-- The next version; the very first is read at once.
INSERT INTO document_versions (version, model, dimensions, codec, state, activated_at)
SELECT 'v' || coalesce(max(substring(version FROM '^v(\d+)$')::bigint), 0) + 1,
    %(model)s, %(dimensions)s, %(codec)s,
    CASE WHEN count(*) = 0 THEN 'active' ELSE 'building' END,
    CASE WHEN count(*) = 0 THEN now() END
FROM document_versions
RETURNING version, model, dimensions, codec, state, created_at, activated_at, remove_after;

-- name: revive_version
-- A version is wanted again before its keys were removed, whose grace may be over.
UPDATE document_versions SET state = 'building', remove_after = NULL
WHERE version = %(version)s
  AND (state = 'retired' OR state = 'previous' AND remove_after < now());

-- name: list_versions
-- All versions, the one that is read first.
SELECT version, model, dimensions, codec, state, created_at, activated_at, remove_after
FROM document_versions
ORDER BY array_position(ARRAY['active', 'building', 'previous', 'retired'], state), created_at;

-- name: is_built
-- Whether a run over all documents has ended well with this version.
SELECT EXISTS (
    SELECT FROM precompute_runs JOIN runs USING (run_id)
    WHERE kind IN ('documents_all', 'documents_stale') AND state = 'done'
      AND %(version)s = ANY (versions)
);

-- name: retire
-- The present previous version makes way for another one.
UPDATE document_versions SET state = 'retired'
WHERE state = 'previous' AND version <> %(version)s;

-- name: set_state
-- Give a version its new state.
UPDATE document_versions SET
    state = %(state)s,
    activated_at = CASE WHEN %(state)s = 'active' THEN now() ELSE activated_at END,
    remove_after = CASE WHEN %(state)s = 'previous'
        THEN now() + make_interval(secs => %(grace_seconds)s) END
WHERE version = %(version)s;

-- name: removable
-- Versions whose grace is over.
SELECT version FROM document_versions
WHERE state IN ('previous', 'retired') AND remove_after < now();

-- name: delete_version
-- Forget a version whose keys are gone, unless it is wanted again.
DELETE FROM document_versions
WHERE version = %(version)s AND state IN ('previous', 'retired') AND remove_after < now();
