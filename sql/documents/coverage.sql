-- name: sample_starts
-- Where some batches of the last run over all documents began that ended well, drawn by chance.
SELECT coalesce(after_id, '') FROM precompute_batches
WHERE run_id = (
    SELECT p.run_id FROM precompute_runs p JOIN runs r USING (run_id)
    WHERE r.kind IN ('documents_all', 'documents_stale') AND r.state = 'done'
      AND %(version)s = ANY (p.versions)
    ORDER BY p.began_at DESC LIMIT 1
)
ORDER BY random() LIMIT %(starts)s;
