-- name: record
-- Documents that failed; one whose text is another one begins anew.
INSERT INTO document_failures AS f
    (version, doc_id, reason, error, content_hash, attempts, not_before, dead_at)
SELECT %(version)s, doc_id, reason, error, content_hash, 1,
    now() + make_interval(secs => %(retry_base_seconds)s), CASE WHEN final THEN now() END
FROM unnest(%(doc_ids)s::text[], %(reasons)s::text[], %(errors)s::text[], %(hashes)s::bytea[],
            %(finals)s::boolean[]) AS n (doc_id, reason, error, content_hash, final)
ORDER BY doc_id COLLATE "C"
ON CONFLICT (version, doc_id) DO UPDATE SET
    reason = excluded.reason, error = excluded.error, content_hash = excluded.content_hash,
    failed_at = now(),
    attempts = CASE WHEN f.content_hash IS DISTINCT FROM excluded.content_hash THEN 1
                    ELSE f.attempts + 1 END,
    not_before = now() + make_interval(secs => least(
        %(retry_base_seconds)s * 2.0 ^ least(f.attempts, 30), %(retry_max_seconds)s)),
    dead_at = CASE
        WHEN excluded.dead_at IS NOT NULL THEN coalesce(f.dead_at, now())
        WHEN f.content_hash IS NOT DISTINCT FROM excluded.content_hash
         AND f.attempts + 1 >= %(max_attempts)s THEN now()
    END;

-- name: clear
-- These documents are fine now, or gone.
DELETE FROM document_failures WHERE (version, doc_id) IN (
    SELECT version, doc_id FROM document_failures
    WHERE version = ANY (%(versions)s) AND doc_id = ANY (%(doc_ids)s)
    ORDER BY version, doc_id FOR UPDATE
);

-- name: find_hopeless
-- Of these documents those that are not to be tried again, with the hash of the text that failed.
SELECT doc_id, content_hash FROM document_failures
WHERE version = %(version)s AND doc_id = ANY (%(doc_ids)s) AND dead_at IS NOT NULL
  AND content_hash IS NOT NULL;

-- name: find_due
-- Failed documents that are to be tried again now.
SELECT DISTINCT doc_id FROM document_failures
WHERE version = ANY (%(versions)s) AND dead_at IS NULL AND not_before <= now()
ORDER BY doc_id LIMIT %(limit)s;

-- name: list_failures
-- Failed documents by id, from a cursor on.
SELECT doc_id, version, reason, error, attempts, failed_at, not_before, dead_at
FROM document_failures
WHERE version = %(version)s AND doc_id > %(after)s ORDER BY doc_id LIMIT %(limit)s;

-- name: count_failures
-- How many documents failed in a version.
SELECT count(*) FROM document_failures WHERE version = %(version)s;

-- name: count_by_reason
-- Failed documents of every version by reason, and whether they were given up.
SELECT version, reason, dead_at IS NOT NULL AS dead, count(*)
FROM document_failures GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: list_ids
-- Ids of failed documents, a page from an id on.
SELECT DISTINCT doc_id FROM document_failures
WHERE doc_id > %(after)s ORDER BY doc_id LIMIT %(limit)s;
