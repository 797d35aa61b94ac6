-- A firing belongs to whoever carries its token: a worker that stalled until another one has taken the
-- firing over does not end it in the other's name.
ALTER TABLE job_runs ADD COLUMN lease_token uuid;
