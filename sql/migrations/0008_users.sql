-- Posts, what users do with them, and what is derived: post vectors, users' interests, engagement.

ALTER TABLE freshness DROP CONSTRAINT freshness_kind_check, ADD CONSTRAINT freshness_kind_check CHECK (
    kind IN ('student_embedding', 'student_neighbors', 'post_embedding', 'user_embedding', 'user_removal'));

-- The similarity of any two vectors, everywhere: their cosine, and 0 where that is negative.
-- In one place and inlined, so that the index is still used by what orders by `<=>`.
CREATE FUNCTION similarity(a vector, b vector) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(0, least(1, 1 - (a <=> b)));

-- A post named by an action before its own event has arrived is a stub: its id and nulls.
CREATE TABLE posts (
    post_id    text COLLATE "C" PRIMARY KEY CHECK (length(post_id) BETWEEN 1 AND 200),
    text       text,
    -- Given by the platform instead of being made from the text.
    embedding  vector(384),
    -- When it was published; of a stub nobody knows.
    created_at timestamptz,
    stored_at  timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (toast_tuple_target = 8160);
-- Recommendations for users without a vector take the newest and the most engaging.
CREATE INDEX posts_created_at ON posts (created_at DESC) WHERE created_at IS NOT NULL;

CREATE TABLE users (
    user_id    text COLLATE "C" PRIMARY KEY CHECK (length(user_id) BETWEEN 1 AND 200),
    -- Why the last look at this user made no vector; null when it made one, or has yet to come.
    reason     text,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Every action, also the same one again. Partitioned by time: all of it goes to the default
-- partition until somebody attaches others. The key is also the index by user and time, and holds
-- everything that the sums over a user's actions need.
CREATE TABLE action_log (
    action_id  bigint GENERATED ALWAYS AS IDENTITY,
    user_id    text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
    post_id    text COLLATE "C" NOT NULL REFERENCES posts ON DELETE CASCADE,
    action     text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, created_at, action_id) INCLUDE (post_id, action)
) PARTITION BY RANGE (created_at);
CREATE TABLE action_log_rest PARTITION OF action_log DEFAULT
    -- Insert-only: without this the visibility map is late and index-only scans visit the heap.
    WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
-- Who acted on a post that changed, and whether a user has seen one.
CREATE INDEX action_log_post_id ON action_log (post_id, user_id);

CREATE TABLE post_embeddings (
    post_id      text COLLATE "C" PRIMARY KEY REFERENCES posts ON DELETE CASCADE,
    model        text NOT NULL,
    content_hash bytea NOT NULL CHECK (length(content_hash) = 32),
    embedding    vector(384) NOT NULL,
    last_event   uuid,
    updated_at   timestamptz NOT NULL DEFAULT now()
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE post_embeddings ALTER COLUMN embedding SET STORAGE EXTERNAL;
CREATE INDEX post_embeddings_hnsw ON post_embeddings
    USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops) WITH (m = 16, ef_construction = 64);

-- How much a post is acted upon, from 0 to 1 for the most engaging one. References nothing: it is
-- summed up anew all the time, and a post that is deleted meanwhile must not fail that.
CREATE TABLE post_engagement (
    post_id     text COLLATE "C" PRIMARY KEY,
    weight      float8 NOT NULL CHECK (weight > 0),
    engagement  real NOT NULL CHECK (engagement BETWEEN 0 AND 1)
);
CREATE INDEX post_engagement_engagement ON post_engagement (engagement DESC);

-- A user's interests. generated_at is when there was a vector first, updated_at when last.
CREATE TABLE user_embeddings (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id       text COLLATE "C" NOT NULL UNIQUE REFERENCES users ON DELETE CASCADE,
    embedding     vector(384) NOT NULL,
    model_version text NOT NULL,
    generated_at  timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    created_by    text NOT NULL,
    last_event    uuid
) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE user_embeddings ALTER COLUMN embedding SET STORAGE EXTERNAL;
-- Its vector index is built by workers/index_users.py, which needs to see the users first.
