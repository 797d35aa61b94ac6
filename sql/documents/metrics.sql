-- name: last_runs
-- Per kind of documents run: how it last ended, and when one last ended well.
SELECT kind,
    extract(epoch FROM now() - max(finished_at) FILTER (WHERE state = 'done'))::float8
        AS last_success_age_s,
    (array_agg(state ORDER BY finished_at DESC))[1] = 'failed' AS last_failed
FROM runs WHERE kind LIKE 'documents\_%%' AND state IN ('done', 'failed')
GROUP BY kind ORDER BY kind;

-- name: last_coverage
-- Per version the share of documents that were fresh at the end of its last full run.
SELECT DISTINCT ON (version) version,
    (sum(b.documents) - sum(b.failed) - sum(b.deleted))::float8
        / greatest(sum(b.documents) - sum(b.deleted), 1)
FROM precompute_runs p JOIN runs r USING (run_id) JOIN precompute_batches b USING (run_id),
    unnest(p.versions) AS version
WHERE r.kind IN ('documents_all', 'documents_stale') AND r.state = 'done'
GROUP BY version, p.run_id, p.began_at ORDER BY version, p.began_at DESC;
