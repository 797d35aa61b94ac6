-- Whoever asks for a result of a held kind is owed one that reflects its inputs. The watermark that
-- it has to reach; null when nobody waits for one.
ALTER TABLE freshness ADD COLUMN asked bigint;

-- How many results of a run were computed from inputs that were stale, and will be computed again.
ALTER TABLE runs ADD COLUMN provisional integer NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW shown_runs AS
SELECT run_id, kind, state, total, done, failed, progress, created_at, started_at, finished_at, error,
    (done - resumed_done) / nullif(extract(epoch FROM updated_at - resumed_at), 0)::float8 AS rate_per_s,
    CASE WHEN state = 'running' AND progress > resumed_progress THEN
        (1 - progress) / (progress - resumed_progress)
        * extract(epoch FROM updated_at - resumed_at)::float8
    END AS eta_s,
    provisional
FROM runs;
