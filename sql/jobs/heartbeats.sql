-- name: beat
-- A worker process is alive, and these are its jobs; one that was forgotten meanwhile comes back.
INSERT INTO workers (worker, host, pid, queues, threads, started_at, jobs)
VALUES (%(worker)s, %(host)s, %(pid)s, %(queues)s, %(threads)s, %(started_at)s, %(jobs)s)
ON CONFLICT (worker) DO UPDATE SET seen_at = now(), jobs = excluded.jobs;

-- name: leave
-- A worker process has ended its jobs and goes.
DELETE FROM workers WHERE worker = %(worker)s;

-- name: forget_silent
-- Remove processes that have been silent for long: they were killed.
DELETE FROM workers WHERE seen_at < now() - make_interval(secs => %(silent_s)s);

-- name: list_workers
-- Worker processes and what they are at, the longest running first.
SELECT worker, host, pid, queues, threads, started_at, seen_at, jobs,
       seen_at > now() - make_interval(secs => %(alive_s)s) AS alive
FROM workers ORDER BY started_at, worker;
