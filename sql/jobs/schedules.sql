-- name: register_job
-- Make a job known with the cron line of the table in scheduler.py.
INSERT INTO schedules (job, cron) VALUES (%(job)s, %(cron)s)
ON CONFLICT (job) DO UPDATE SET cron = excluded.cron;

-- name: forget_other_jobs
-- Jobs that are no longer in the table go, with their firings.
DELETE FROM schedules WHERE job <> ALL(%(jobs)s);

-- name: read_job
-- Whether a job is enabled, and the time after which a slot has not been fired yet. What somebody
-- ran by hand is no slot.
SELECT s.enabled, greatest(max(r.slot) FILTER (WHERE r.asked_by IS NULL), s.created_at, s.enabled_at)
    AS after
FROM schedules s LEFT JOIN job_runs r USING (job) WHERE s.job = %(job)s GROUP BY s.job;

-- name: enable_job
-- Let a job fire, or not; slots that passed meanwhile are not caught up.
UPDATE schedules SET
    enabled = %(enabled)s,
    enabled_at = CASE WHEN %(enabled)s AND NOT enabled THEN now() ELSE enabled_at END
WHERE job = %(job)s RETURNING job;

-- name: record_firing
-- Take a slot; nothing is returned when it has been fired already.
INSERT INTO job_runs (job, slot) VALUES (%(job)s, %(slot)s) ON CONFLICT DO NOTHING
RETURNING firing_id;

-- name: request_firing
-- Somebody wants the job now: the scheduler sends it with its next look.
INSERT INTO job_runs (job, slot, asked_by, last_sent)
SELECT job, clock_timestamp(), %(asked_by)s, '-infinity' FROM schedules WHERE job = %(job)s
RETURNING firing_id;

-- name: claim_firing
-- Take a firing that nobody works on; none while its queue is paused.
UPDATE job_runs SET
    state = 'running', started_at = now(), attempts = attempts + 1, worker = %(worker)s,
    lease_token = %(token)s
WHERE firing_id = %(firing_id)s AND state = 'queued'
  AND NOT EXISTS (SELECT FROM paused_queues WHERE queue = %(queue)s)
RETURNING job;

-- name: end_firing
-- The job has ended, well or not; unless the firing has gone to another worker meanwhile.
UPDATE job_runs SET
    state = CASE WHEN %(error)s::text IS NULL THEN 'done' ELSE 'failed' END,
    error = %(error)s, traceback = %(traceback)s, finished_at = now(), lease_token = NULL
WHERE firing_id = %(firing_id)s AND lease_token = %(token)s
RETURNING firing_id;

-- name: hand_over
-- The job is a run from here on.
UPDATE job_runs SET state = 'done', run_id = %(run_id)s, started_at = now(), attempts = attempts + 1
WHERE firing_id = %(firing_id)s;

-- name: free_lost
-- Firings that are said to run and that no living process has among its jobs: they are sent again,
-- or have failed after the last attempt.
UPDATE job_runs f SET
    state = CASE WHEN attempts >= %(max_attempts)s THEN 'failed' ELSE 'queued' END,
    finished_at = CASE WHEN attempts >= %(max_attempts)s THEN now() END,
    error = %(lost_worker)s, last_sent = '-infinity', lease_token = NULL
WHERE state = 'running' AND started_at < now() - make_interval(secs => %(silent_s)s)
  AND NOT EXISTS (
    SELECT FROM workers w
    WHERE w.seen_at > now() - make_interval(secs => %(silent_s)s)
      AND w.jobs @> jsonb_build_array(jsonb_build_object('args', jsonb_build_array(f.firing_id))))
RETURNING job, firing_id, state;

-- name: find_unsent
-- Firings to send a message for: somebody asked for one, or its message was lost. Ever more rarely
-- for one that has waited long, because its messages lie in a full queue.
UPDATE job_runs f SET last_sent = now()
WHERE state = 'queued'
  AND last_sent < now() - greatest(
    make_interval(secs => %(resend_after_seconds)s), (now() - fired_at) / 2)
  AND NOT EXISTS (SELECT FROM paused_queues WHERE queue = %(queue)s)
RETURNING job, firing_id;

-- name: list_schedules
-- Every job with its last firing.
SELECT s.job, s.cron, s.enabled, last.firing_id
FROM schedules s LEFT JOIN LATERAL (
    SELECT firing_id FROM job_runs r WHERE r.job = s.job ORDER BY slot DESC LIMIT 1
) last ON true
ORDER BY s.job;

-- name: read_firings
-- Firings and what became of them; that of a job that began a run is the run's.
SELECT f.firing_id, f.job, f.slot, f.asked_by, f.fired_at, f.started_at,
    coalesce(r.finished_at, f.finished_at) AS finished_at,
    coalesce(r.state, f.state) AS state,
    extract(epoch FROM coalesce(r.finished_at, f.finished_at) - f.started_at)::float8 AS duration_s,
    f.attempts, f.worker, f.run_id, coalesce(r.error, f.error) AS error, f.traceback
FROM job_runs f LEFT JOIN runs r USING (run_id)
WHERE f.firing_id = ANY(%(firing_ids)s);

-- name: list_firings
-- The firings of a job, newest first, from a cursor on.
SELECT firing_id FROM job_runs
WHERE job = %(job)s AND (%(before)s::timestamptz IS NULL OR slot < %(before)s::timestamptz)
ORDER BY slot DESC LIMIT %(limit)s;

-- name: try_leadership
-- One scheduler fires; the lock is held as long as its session lives. The server ends a session that
-- says nothing for so long: its process has stalled, or its machine is gone without a word.
SELECT pg_try_advisory_lock(hashtext('kinfold.scheduler')),
       set_config('idle_session_timeout', %(milliseconds)s::text, false);

