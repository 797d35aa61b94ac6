-- Documents: versions of their vectors, the batches of their runs, and those that failed.

-- One run of a kind at a time; but somebody may ask for some documents while others are computed.
DROP INDEX runs_active;
CREATE UNIQUE INDEX runs_active ON runs (kind)
    WHERE state IN ('queued', 'running') AND kind <> 'documents_ids';

CREATE TABLE document_versions (
    -- Part of every key in Redis, so without the colon that ends it there.
    version      text COLLATE "C" PRIMARY KEY CHECK (version ~ '^[A-Za-z0-9._-]{1,32}$'),
    model        text NOT NULL,
    dimensions   integer NOT NULL,
    codec        text NOT NULL,
    -- building: beside the one that is read; previous: for a rollback; retired: to be removed.
    state        text NOT NULL CHECK (state IN ('building', 'active', 'previous', 'retired')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    activated_at timestamptz,
    -- The keys of a previous or retired version go after this.
    remove_after timestamptz,
    UNIQUE (model, dimensions, codec)
);
CREATE UNIQUE INDEX document_versions_active ON document_versions (state) WHERE state = 'active';
CREATE UNIQUE INDEX document_versions_previous ON document_versions (state) WHERE state = 'previous';

CREATE TABLE precompute_runs (
    run_id     uuid PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
    versions   text[] NOT NULL,
    -- The beginning, by our clock: what is modified later belongs to the next incremental run.
    began_at   timestamptz NOT NULL DEFAULT now(),
    -- An incremental run looks at what was modified from here on.
    since      timestamptz,
    -- All batches are known.
    planned_at timestamptz
);

CREATE TABLE precompute_batches (
    run_id      uuid NOT NULL REFERENCES precompute_runs ON DELETE CASCADE,
    batch_no    integer NOT NULL,
    -- Either every document in (after_id, last_id], open where null, or those named.
    after_id    text COLLATE "C",
    last_id     text COLLATE "C",
    doc_ids     text[],
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    attempts    integer NOT NULL DEFAULT 0,
    not_before  timestamptz NOT NULL DEFAULT now(),
    last_sent   timestamptz,
    lease_token uuid,
    lease_until timestamptz,
    -- Documents by what became of them; embedded and unchanged count per version.
    documents   integer NOT NULL DEFAULT 0,
    embedded    integer NOT NULL DEFAULT 0,
    unchanged   integer NOT NULL DEFAULT 0,
    failed      integer NOT NULL DEFAULT 0,
    deleted     integer NOT NULL DEFAULT 0,
    error       text,
    finished_at timestamptz,
    PRIMARY KEY (run_id, batch_no)
);
CREATE INDEX precompute_batches_waiting ON precompute_batches (run_id, batch_no)
    WHERE state = 'waiting';

CREATE TABLE document_failures (
    version      text COLLATE "C" NOT NULL REFERENCES document_versions ON DELETE CASCADE,
    -- A document without a usable id stands here by its _id.
    doc_id       text COLLATE "C" NOT NULL,
    reason       text NOT NULL,
    error        text NOT NULL,
    -- Of the text that failed: until it changes, a dead document is not tried again.
    content_hash bytea,
    attempts     integer NOT NULL DEFAULT 1,
    failed_at    timestamptz NOT NULL DEFAULT now(),
    not_before   timestamptz,
    dead_at      timestamptz,
    PRIMARY KEY (version, doc_id)
);
CREATE INDEX document_failures_due ON document_failures (not_before) WHERE dead_at IS NULL;
