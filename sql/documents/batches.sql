-- name: choose_batches
-- Batches to send a message for: due, unsent, and so few that at most `most` are under way.
WITH waiting AS (
    SELECT batch_no, not_before, coalesce(b.lease_until > now(), false)
        OR coalesce(b.last_sent > now() - make_interval(secs => %(resend_after_seconds)s), false)
        AS under_way
    FROM precompute_batches b JOIN runs r USING (run_id)
    WHERE run_id = %(run_id)s AND b.state = 'waiting' AND r.state = 'running'
), chosen AS (
    SELECT batch_no FROM waiting
    WHERE NOT under_way AND not_before <= now()
    ORDER BY batch_no
    LIMIT greatest(%(most)s - (SELECT count(*) FROM waiting WHERE under_way), 0)
)
UPDATE precompute_batches b SET last_sent = now()
FROM chosen WHERE b.run_id = %(run_id)s AND b.batch_no = chosen.batch_no
RETURNING b.batch_no;

-- name: lock_run
-- One batch of a run ends at a time.
SELECT state FROM runs WHERE run_id = %(run_id)s FOR UPDATE;

-- name: finish_planned
-- End a run whose batches have all ended; it failed if any was given up.
UPDATE runs r SET
    state = CASE WHEN b.dead > 0 THEN 'failed' ELSE 'done' END,
    error = CASE WHEN b.dead > 0 THEN b.dead || ' batches were given up: ' || b.error END,
    progress = CASE WHEN b.dead > 0 THEN progress ELSE 1 END,
    finished_at = now(), updated_at = now()
FROM (SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
             count(*) FILTER (WHERE state = 'dead') AS dead,
             min(error) FILTER (WHERE state = 'dead') AS error
      FROM precompute_batches WHERE run_id = %(run_id)s) b
WHERE r.run_id = %(run_id)s AND r.state = 'running' AND b.waiting = 0
  AND EXISTS (SELECT FROM precompute_runs p WHERE p.run_id = r.run_id AND p.planned_at IS NOT NULL)
RETURNING r.state;

-- name: sum_batches
-- The counts of a run over all of its batches.
SELECT coalesce(sum(documents), 0) AS documents, coalesce(sum(embedded), 0) AS embedded,
    coalesce(sum(unchanged), 0) AS unchanged, coalesce(sum(failed), 0) AS failed,
    coalesce(sum(deleted), 0) AS deleted, count(*) AS batches,
    count(*) FILTER (WHERE state = 'done') AS batches_done
FROM precompute_batches WHERE run_id = %(run_id)s;
