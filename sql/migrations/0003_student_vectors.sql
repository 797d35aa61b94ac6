-- What is derived for a student: the profile, its embedding, and the neighbour graph.

-- Wide and read one at a time, so kept apart from the vectors, which are scanned.
CREATE TABLE student_profiles (
    student_id text PRIMARY KEY REFERENCES students ON DELETE CASCADE,
    version    smallint NOT NULL,
    profile    jsonb NOT NULL,
    text       text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE student_embeddings (
    student_id   text PRIMARY KEY REFERENCES students ON DELETE CASCADE,
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

CREATE TABLE student_similarity (
    a          text NOT NULL REFERENCES student_embeddings ON DELETE CASCADE,
    b          text NOT NULL REFERENCES student_embeddings ON DELETE CASCADE,
    sim        real NOT NULL CHECK (sim BETWEEN 0 AND 1),
    last_event uuid,
    PRIMARY KEY (a, b),
    CHECK (a <> b)
);
-- Lists that hold a student: corrected when it moves, refilled when it is deleted.
CREATE INDEX student_similarity_b ON student_similarity (b);
