-- name: claim_batch
-- A due batch of a running run, this one or any: ours until the lease ends.
UPDATE precompute_batches b SET
    lease_token = %(token)s, attempts = b.attempts + 1,
    lease_until = now() + make_interval(secs => %(lease_seconds)s)
FROM (
    SELECT run_id, batch_no FROM precompute_batches
    WHERE run_id = %(run_id)s AND state = 'waiting' AND not_before <= now()
      AND (lease_until IS NULL OR lease_until < now())
      AND (%(batch_no)s::integer IS NULL OR batch_no = %(batch_no)s::integer)
    ORDER BY batch_no LIMIT 1 FOR UPDATE SKIP LOCKED
) due
JOIN runs r ON r.run_id = due.run_id AND r.state = 'running'
JOIN precompute_runs p ON p.run_id = due.run_id
WHERE b.run_id = due.run_id AND b.batch_no = due.batch_no
RETURNING b.run_id, b.batch_no, r.kind, p.versions, b.after_id, b.last_id, b.doc_ids, b.attempts;

-- name: keep_lease
-- Prolong a lease that is still ours.
UPDATE precompute_batches SET lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE run_id = %(run_id)s AND batch_no = %(batch_no)s AND lease_token = %(token)s
  AND state = 'waiting'
RETURNING batch_no;

-- name: finish_batch
-- The end of a batch that is still ours, with what became of its documents.
UPDATE precompute_batches SET
    state = 'done', lease_token = NULL, lease_until = NULL, error = NULL, finished_at = now(),
    documents = %(documents)s, embedded = embedded + %(embedded)s, unchanged = %(unchanged)s,
    failed = %(failed)s, deleted = deleted + %(deleted)s
WHERE run_id = %(run_id)s AND batch_no = %(batch_no)s AND lease_token = %(token)s
RETURNING batch_no;

-- name: put_back
-- A batch that waits for another try; `given_back` is 1 when this one does not count.
UPDATE precompute_batches SET
    lease_token = NULL, lease_until = NULL, error = %(error)s,
    attempts = attempts - %(given_back)s, embedded = embedded + %(embedded)s,
    not_before = now() + make_interval(secs => %(delay_s)s)
WHERE run_id = %(run_id)s AND batch_no = %(batch_no)s AND lease_token = %(token)s
RETURNING batch_no;

-- name: bury_batch
-- A batch that is given up; a resumed run tries it again.
UPDATE precompute_batches SET
    state = 'dead', lease_token = NULL, lease_until = NULL, error = %(error)s, finished_at = now()
WHERE run_id = %(run_id)s AND batch_no = %(batch_no)s AND lease_token = %(token)s
RETURNING batch_no;

-- name: add_progress
-- Count a batch's documents in its run.
UPDATE runs SET
    done = done + %(documents)s, failed = failed + %(failed)s,
    total = greatest(total, done + %(documents)s), updated_at = now(),
    error = CASE WHEN state <> 'running' THEN error END,
    progress = least(1, (done + %(documents)s) / greatest(total, done + %(documents)s, 1)::real)
WHERE run_id = %(run_id)s;

-- name: note_error
-- Why a run does not get on at the moment.
UPDATE runs SET error = %(error)s, updated_at = now()
WHERE run_id = %(run_id)s AND state = 'running';

-- name: fail_run
-- No batch of this run can succeed for now; it can be resumed.
UPDATE runs SET state = 'failed', error = %(error)s, finished_at = now(), updated_at = now()
WHERE run_id = %(run_id)s AND state = 'running';
