-- Files that a librarian has looked at before they are imported. They name children, and go with
-- everything about them as soon as they are imported, or after a day.
CREATE TABLE imports (
    import_id  uuid PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    holds      text NOT NULL CHECK (holds IN ('catalog', 'students', 'checkouts')),
    file_name  text NOT NULL CHECK (length(file_name) <= 200),
    -- Null once it is imported.
    data       bytea,
    -- What was found when it was looked at.
    checked    jsonb,
    -- The run that imports it, and what became of its rows.
    run_id     uuid REFERENCES runs ON DELETE SET NULL,
    report     jsonb
);
CREATE INDEX imports_created_at ON imports (created_at);
CREATE INDEX imports_run_id ON imports (run_id);
