-- The freshness ledger: for every derived thing, whether it is fresh, and who is working on it.

CREATE TABLE freshness (
    kind        text NOT NULL CHECK (kind IN ('student_embedding', 'student_neighbors')),
    key         text COLLATE "C" NOT NULL,
    -- Watermarks, not flags: a fact that lands during a run leaves wanted > done.
    wanted      bigint NOT NULL DEFAULT 1,
    done        bigint NOT NULL DEFAULT 0,
    stale_since timestamptz,
    not_before  timestamptz NOT NULL DEFAULT now(),
    attempts    integer NOT NULL DEFAULT 0,
    last_event  uuid,
    done_event  uuid,
    done_at     timestamptz,
    -- A token that is still set after lease_until means that the worker died with the key.
    lease_token uuid,
    lease_until timestamptz,
    leased_by   text,
    leased_at   timestamptz,
    last_sent   timestamptz NOT NULL DEFAULT now(),
    error       text,
    dead_at     timestamptz,
    PRIMARY KEY (kind, key),
    CHECK (done <= wanted)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- Claims and the reconciler take the oldest stale key first; fresh keys are not in this index.
CREATE INDEX freshness_stale ON freshness (kind, stale_since) WHERE wanted > done AND dead_at IS NULL;

-- What an event made stale: it is done when an attempt has reached `wanted`.
CREATE TABLE effects (
    event_id uuid NOT NULL REFERENCES events ON DELETE CASCADE,
    kind     text NOT NULL,
    key      text COLLATE "C" NOT NULL,
    wanted   bigint NOT NULL,
    PRIMARY KEY (event_id, kind, key)
);
CREATE INDEX effects_key ON effects (kind, key);

-- Every attempt at a key. `raised_wanted` is the watermark that it raised for the kind that
-- follows (an embedding that changed raises its neighbours), null when nothing followed.
CREATE TABLE attempts (
    attempt_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL,
    key           text COLLATE "C" NOT NULL,
    wanted        bigint NOT NULL,
    worker        text NOT NULL,
    started_at    timestamptz NOT NULL,
    ended_at      timestamptz NOT NULL DEFAULT now(),
    error         text,
    traceback     text,
    raised_wanted bigint
);
CREATE INDEX attempts_key ON attempts (kind, key, wanted);
CREATE INDEX attempts_ended_at ON attempts USING brin (ended_at);

