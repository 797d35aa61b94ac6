

-- name: add_run
-- What a documents run is about; an incremental one goes on where the last one began.
INSERT INTO precompute_runs (run_id, versions, since)
VALUES (%(run_id)s, %(versions)s, (
    SELECT max(began_at) - make_interval(secs => %(overlap_seconds)s)
    FROM precompute_runs JOIN runs USING (run_id)
    WHERE state = 'done' AND kind IN ('documents_all', 'documents_incremental')
      AND versions @> %(versions)s
));

-- name: read_run
-- What a documents run is about, and whether all of its batches are known.
SELECT run_id, kind, state, versions, since, planned_at IS NOT NULL AS planned
FROM precompute_runs JOIN runs USING (run_id) WHERE run_id = %(run_id)s;

-- name: add_batch
-- One batch: a range of ids, or named documents.
INSERT INTO precompute_batches (run_id, batch_no, after_id, last_id, doc_ids)
VALUES (%(run_id)s, %(batch_no)s, %(after_id)s, %(last_id)s, %(doc_ids)s);

-- name: set_planned
-- All batches of a run are known.
UPDATE precompute_runs SET planned_at = now() WHERE run_id = %(run_id)s;

-- name: revive_batches
-- A resumed run tries everything again that did not end well.
UPDATE precompute_batches SET state = 'waiting', attempts = 0, not_before = now()
WHERE run_id = %(run_id)s AND state <> 'done' AND attempts > 0;
