-- What is derived for a student: the profile, its embedding, and the neighbour graph.

-- Wide and read one at a time, so kept apart from the vectors, which are scanned.
CREATE TABLE student_profiles (
    student_id text COLLATE "C" PRIMARY KEY REFERENCES students ON DELETE CASCADE,
    version    smallint NOT NULL,
    profile    jsonb NOT NULL,
    text       text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE student_embeddings (
    student_id   text COLLATE "C" PRIMARY KEY REFERENCES students ON DELETE CASCADE,
    model        text NOT NULL,
    dimensions   smallint NOT NULL CHECK (dimensions = vector_dims(vec)),
    content_hash bytea NOT NULL CHECK (length(content_hash) = 32),
    vec          vector NOT NULL,
    last_event   uuid,
    updated_at   timestamptz NOT NULL DEFAULT now()
) WITH (
    -- In line up to a whole page: a vector in the TOAST table costs a scan three to four times as much.
    toast_tuple_target = 8160,
    -- Updated in place all day: without vacuum the heap grows fourfold in 30,000 updates.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0
);
-- Never compressed: floats do not shrink, and sparse hashing vectors would be unpacked at each scan.
ALTER TABLE student_embeddings ALTER COLUMN vec SET STORAGE EXTERNAL;

-- Lists hold up to ten more than readers see: one that loses a member refills from these.
CREATE TABLE student_similarity (
    -- References students rather than student_embeddings: every new edge locks the rows it names,
    -- and those of the vectors fill a page each.
    a          text COLLATE "C" NOT NULL REFERENCES students ON DELETE CASCADE,
    b          text COLLATE "C" NOT NULL REFERENCES students ON DELETE CASCADE,
    sim        real NOT NULL CHECK (sim BETWEEN 0 AND 1),
    last_event uuid,
    PRIMARY KEY (a, b),
    CHECK (a <> b)
) WITH (
    -- Room for corrected similarities on the same page, which then touch no index.
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_cost_delay = 0
);
-- Lists that hold a student: corrected when it moves, refilled when it is deleted.
CREATE INDEX student_similarity_b ON student_similarity (b);

-- What each graph transaction touched, so that other workers' copies of the graph follow. Numbers
-- are taken under the graph's lock, so they grow in commit order. Kept for an hour.
CREATE TABLE graph_changes (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    written_at timestamptz NOT NULL DEFAULT now(),
    moved      text[] NOT NULL,
    changed    text[] NOT NULL,
    removed    text[] NOT NULL
);
