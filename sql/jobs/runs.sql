-- name: create_run
-- A new run, unless one of its kind is active.
INSERT INTO runs (run_id, kind) VALUES (%(run_id)s, %(kind)s)
ON CONFLICT DO NOTHING
RETURNING run_id;

-- name: find_active
-- The active run of a kind.
SELECT run_id FROM runs WHERE kind = %(kind)s AND state IN ('queued', 'running');

-- name: claim_run
-- Take a run that nobody works on, to begin it or to go on with it; none while runs are paused.
UPDATE runs SET
    state = CASE WHEN cancel THEN 'cancelled' WHEN attempts >= %(max_attempts)s THEN 'failed'
                 ELSE 'running' END,
    finished_at = CASE WHEN cancel OR attempts >= %(max_attempts)s THEN now() END,
    error = CASE WHEN attempts >= %(max_attempts)s THEN %(lost_worker)s END,
    lease_token = %(token)s,
    lease_until = now() + make_interval(secs => %(lease_seconds)s),
    started_at = coalesce(started_at, now()), attempts = attempts + 1,
    resumed_at = now(), resumed_done = done, resumed_progress = progress, updated_at = now()
WHERE run_id = %(run_id)s AND state IN ('queued', 'running')
  AND (lease_until IS NULL OR lease_until < now())
  AND NOT EXISTS (SELECT FROM paused_queues WHERE queue = %(queue)s)
RETURNING state, position, attempts;

-- name: report_progress
-- Note progress and prolong the lease; nothing comes back when the run is no longer ours.
UPDATE runs SET
    total = %(total)s, done = %(done)s, failed = %(failed)s, provisional = %(provisional)s,
    progress = %(progress)s,
    -- A run that gets on may be killed as often as deployments come.
    attempts = CASE WHEN %(position)s::text IS NULL THEN attempts ELSE 0 END,
    position = coalesce(%(position)s, position), updated_at = now(),
    lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE run_id = %(run_id)s AND lease_token = %(token)s AND state = 'running'
RETURNING cancel;

-- name: finish_run
-- The end of a run that is still ours.
UPDATE runs SET
    state = %(state)s, error = %(error)s, finished_at = now(), updated_at = now(),
    progress = CASE WHEN %(state)s = 'done' THEN 1 ELSE progress END,
    lease_token = NULL, lease_until = NULL
WHERE run_id = %(run_id)s AND lease_token = %(token)s
RETURNING run_id;

-- name: give_back
-- An attempt failed: the run waits a little and is resumed, or fails if no attempt is to follow.
-- `given_back` is 1 when the attempt does not count.
UPDATE runs SET
    state = CASE WHEN %(gives_up)s THEN 'failed' ELSE state END,
    finished_at = CASE WHEN %(gives_up)s THEN now() END,
    attempts = greatest(attempts - %(given_back)s, 0), error = %(error)s, updated_at = now(), lease_token = NULL, lease_until = NULL, last_sent = now()
WHERE run_id = %(run_id)s AND lease_token = %(token)s
RETURNING state;

-- name: cancel_run
-- A queued run ends at once, a running one at its next step; one that has ended is not touched.
UPDATE runs SET
    cancel = true,
    state = CASE WHEN lease_until > now() THEN state ELSE 'cancelled' END,
    finished_at = CASE WHEN lease_until > now() THEN NULL ELSE now() END
WHERE run_id = %(run_id)s AND state IN ('queued', 'running')
RETURNING run_id;

-- name: note_plan
-- How far the cutting of a run into parts got; the parts report their progress themselves.
UPDATE runs SET
    total = %(total)s, attempts = 0, position = %(position)s, updated_at = now(),
    lease_until = now() + make_interval(secs => %(lease_seconds)s)
WHERE run_id = %(run_id)s AND lease_token = %(token)s AND state = 'running'
RETURNING cancel;

-- name: release_run
-- This worker's part is over and the run goes on; its other parts end it.
UPDATE runs SET lease_token = NULL, lease_until = NULL, updated_at = now()
WHERE run_id = %(run_id)s AND lease_token = %(token)s
RETURNING run_id;

-- name: resume_run
-- A failed or cancelled run goes on where it stopped, unless another of its kind is active.
UPDATE runs r SET
    state = 'queued', cancel = false, attempts = 0, error = NULL, finished_at = NULL,
    lease_token = NULL, lease_until = NULL, last_sent = now()
WHERE run_id = %(run_id)s AND state IN ('failed', 'cancelled')
  AND NOT EXISTS (
      SELECT FROM runs o WHERE o.kind = r.kind AND o.state IN ('queued', 'running')
      AND r.kind <> 'documents_ids'
  )
RETURNING kind;

-- name: find_waiting
-- Active runs that nobody works on and that no recent message stands for; none of a kind that only a
-- later deployment knows.
UPDATE runs SET last_sent = now()
WHERE kind = ANY(%(kinds)s) AND state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < now())
  AND last_sent < now() - make_interval(secs => %(resend_after_seconds)s)
  AND NOT EXISTS (SELECT FROM paused_queues WHERE queue = %(queue)s)
RETURNING run_id, kind;

-- name: read_run
-- One run with its rate and the seconds it still needs.
SELECT run_id, kind, state, total, done, failed, progress, created_at, started_at, finished_at, error,
    rate_per_s, eta_s, provisional
FROM shown_runs WHERE run_id = %(run_id)s;

-- name: list_runs
-- The same of runs, newest first, from a cursor on.
SELECT run_id, kind, state, total, done, failed, progress, created_at, started_at, finished_at, error,
    rate_per_s, eta_s, provisional
FROM shown_runs
WHERE %(before)s::timestamptz IS NULL
   OR (created_at, run_id) < (%(before)s::timestamptz, %(before_id)s::uuid)
ORDER BY created_at DESC, run_id DESC LIMIT %(limit)s;
