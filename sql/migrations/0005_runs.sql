-- Long jobs that can be watched, cancelled, killed and resumed; and what the graph's checks found.

CREATE TABLE runs (
    run_id      uuid PRIMARY KEY,
    kind        text NOT NULL,
    state       text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    total       bigint NOT NULL DEFAULT 0,
    done        bigint NOT NULL DEFAULT 0,
    failed      bigint NOT NULL DEFAULT 0,
    -- Share of the work that is done, which need not grow evenly with the items.
    progress    real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    -- Where to go on: the kind's own mark, for example the last finished key.
    position    text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    -- When the present worker took over, and from which progress: rate and ETA are its own.
    resumed_at       timestamptz,
    resumed_done     bigint NOT NULL DEFAULT 0,
    resumed_progress real NOT NULL DEFAULT 0,
    updated_at  timestamptz,
    finished_at timestamptz,
    error       text,
    attempts    integer NOT NULL DEFAULT 0,
    cancel      boolean NOT NULL DEFAULT false,
    lease_token uuid,
    lease_until timestamptz,
    last_sent   timestamptz NOT NULL DEFAULT now()
);
-- One run of a kind at a time.
CREATE UNIQUE INDEX runs_active ON runs (kind) WHERE state IN ('queued', 'running');
CREATE INDEX runs_created_at ON runs (created_at DESC, run_id);

CREATE TABLE neighbor_checks (
    checked_at timestamptz PRIMARY KEY DEFAULT now(),
    figures    jsonb NOT NULL
);
