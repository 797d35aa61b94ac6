-- Who is at work, and which queues are held back.

-- One row per worker process, renewed every few seconds; a process that ends properly removes its own.
CREATE TABLE workers (
    worker     text PRIMARY KEY,
    host       text NOT NULL,
    pid        integer NOT NULL,
    queues     text[] NOT NULL,
    threads    integer NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL DEFAULT now(),
    -- What its threads are at: [{message_id, actor, args, queue, started_at}].
    jobs       jsonb NOT NULL DEFAULT '[]'
);

CREATE TABLE paused_queues (
    queue     text PRIMARY KEY,
    paused_by text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now()
);
