-- Runs as the API shows them: with the rate of the current attempt, and the seconds still needed.

CREATE VIEW shown_runs AS
SELECT run_id, kind, state, total, done, failed, progress, created_at, started_at, finished_at, error,
    (done - resumed_done) / nullif(extract(epoch FROM updated_at - resumed_at), 0)::float8 AS rate_per_s,
    CASE WHEN state = 'running' AND progress > resumed_progress THEN
        (1 - progress) / (progress - resumed_progress)
        * extract(epoch FROM updated_at - resumed_at)::float8
    END AS eta_s
FROM runs;
