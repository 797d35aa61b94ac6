-- name: register_job
-- Make a job known with the cron line of the table in scheduler.py.
INSERT INTO schedules (job, cron) VALUES (%(job)s, %(cron)s)
ON CONFLICT (job) DO UPDATE SET cron = excluded.cron;

-- name: read_job
-- Whether a job is enabled, and the time after which a slot has not been fired yet.
SELECT s.enabled, coalesce(max(r.slot), s.created_at) AS after
FROM schedules s LEFT JOIN job_runs r USING (job) WHERE s.job = %(job)s GROUP BY s.job;

-- name: claim_slot
-- Take a slot; nothing is returned when it has been fired already.
INSERT INTO job_runs (job, slot) VALUES (%(job)s, %(slot)s) ON CONFLICT DO NOTHING RETURNING slot;

-- name: try_leadership
-- One scheduler fires; the lock is held as long as its session lives. The server ends a session that
-- says nothing for so long: its process has stalled, or its machine is gone without a word.
SELECT pg_try_advisory_lock(hashtext('kinfold.scheduler')),
       set_config('idle_session_timeout', %(milliseconds)s::text, false);

