-- What the console shows: firings and what became of them, dead letters by error, the limits that are
-- kept, who did what, a minute's figures, and the secret that signs its sessions.

-- A firing is recorded before its message is sent, so that a lost message is noticed and sent again.
ALTER TABLE job_runs
    ADD COLUMN firing_id  uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- The key of the person who ran the job; null when the clock did.
    ADD COLUMN asked_by   text,
    -- Those of before this migration were sent, and nothing else is known of them.
    ADD COLUMN state      text NOT NULL DEFAULT 'done'
        CHECK (state IN ('queued', 'running', 'done', 'failed')),
    ADD COLUMN last_sent  timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN attempts   integer NOT NULL DEFAULT 0,
    ADD COLUMN worker     text,
    ADD COLUMN started_at timestamptz,
    ADD COLUMN finished_at timestamptz,
    -- A job that begins a run is done when that is.
    ADD COLUMN run_id     uuid REFERENCES runs ON DELETE SET NULL,
    ADD COLUMN error      text,
    ADD COLUMN traceback  text,
    DROP CONSTRAINT job_runs_job_fkey,
    ADD FOREIGN KEY (job) REFERENCES schedules ON DELETE CASCADE;
ALTER TABLE job_runs ALTER COLUMN state SET DEFAULT 'queued';
-- When it was last enabled: slots before that are not caught up.
ALTER TABLE schedules ADD COLUMN enabled_at timestamptz;
CREATE INDEX job_runs_active ON job_runs (state) WHERE state IN ('queued', 'running');

-- What the same error says of different things: without quoted names, UUIDs and words with long numbers.
CREATE FUNCTION error_group(error text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN left(regexp_replace(
    split_part(error, E'\n', 1),
    '''[^'']*''|"[^"]*"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\m\w*\d{4,}\w*\M', '…', 'g'), 200);

-- Kept with the row, because grouping fifty thousand dead letters on each look would take a second.
ALTER TABLE freshness ADD COLUMN error_group text GENERATED ALWAYS AS (error_group(error)) STORED;
CREATE INDEX freshness_dead ON freshness (kind, dead_at, key) WHERE dead_at IS NOT NULL;
CREATE INDEX freshness_dead_group ON freshness (kind, error_group, dead_at, key) WHERE dead_at IS NOT NULL;

-- Whether a kind was within its limit when the scheduler last looked, so that only a change is told.
CREATE TABLE freshness_contract (
    kind  text PRIMARY KEY,
    ok    boolean NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

-- Every act of a person. Written before the act, so that none goes unrecorded.
CREATE TABLE audit (
    act_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    key_name   text NOT NULL,
    action     text NOT NULL,
    target     text NOT NULL,
    body       text NOT NULL,
    request_id text NOT NULL,
    -- The answer's status and what went wrong; null if the process ended in between.
    status     smallint,
    error      text
);

-- Counters and gauges of each minute, for plots of the last hour and day. Pruned after two days.
CREATE TABLE minutes (
    minute  timestamptz PRIMARY KEY,
    figures jsonb NOT NULL
);

-- Signs the console's cookies. Whoever can read it can read everything else, too.
CREATE TABLE session_secret (
    secret text NOT NULL DEFAULT gen_random_uuid()::text || gen_random_uuid()::text
);
INSERT INTO session_secret DEFAULT VALUES;

-- Whoever logs out ends the session, also for a cookie that was copied before. By digest of its token.
CREATE TABLE ended_sessions (
    digest   bytea PRIMARY KEY,
    ended_at timestamptz NOT NULL DEFAULT now()
);
