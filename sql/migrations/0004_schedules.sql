-- The clock: what is scheduled, and every firing.

CREATE TABLE schedules (
    job        text PRIMARY KEY,
    cron       text NOT NULL,
    enabled    boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One firing per slot, whoever holds the scheduler's lock.
CREATE TABLE job_runs (
    job      text NOT NULL REFERENCES schedules,
    slot     timestamptz NOT NULL,
    fired_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (job, slot)
);
