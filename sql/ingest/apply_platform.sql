-- name: insert_posts
-- Stubs for posts not known yet.
INSERT INTO posts (post_id)
SELECT post_id FROM unnest(%(ids)s::text[]) AS p (post_id) ORDER BY post_id
ON CONFLICT DO NOTHING
RETURNING post_id;

-- name: update_posts
-- Lay the given fields over the stored rows; returns those that differ afterwards. A post that
-- nobody has dated is as old as its first telling.
UPDATE posts p SET
    text = n.text, embedding = n.embedding, created_at = coalesce(n.created_at, p.created_at, now()),
    updated_at = now()
FROM (
    SELECT n.* FROM posts o
    JOIN unnest(%(ids)s::text[], %(facts)s::jsonb[]) AS given (post_id, facts) USING (post_id)
    CROSS JOIN LATERAL jsonb_populate_record(o, given.facts) n
    ORDER BY o.post_id FOR NO KEY UPDATE OF o
) n
WHERE p.post_id = n.post_id
  AND (p.text, p.embedding, p.created_at)
      IS DISTINCT FROM (n.text, n.embedding, coalesce(n.created_at, p.created_at, now()))
RETURNING p.post_id;

-- name: insert_users
-- Users not known yet.
INSERT INTO users (user_id)
SELECT user_id FROM unnest(%(ids)s::text[]) AS u (user_id) ORDER BY user_id
ON CONFLICT DO NOTHING
RETURNING user_id;

-- name: insert_actions
-- What users did. Sorted, because each row locks the user and the post that it names.
INSERT INTO action_log (user_id, post_id, action, created_at)
SELECT user_id, post_id, action, created_at
FROM unnest(%(user_ids)s::text[], %(post_ids)s::text[], %(actions)s::text[],
            %(times)s::timestamptz[]) AS a (user_id, post_id, action, created_at)
ORDER BY user_id, post_id;

-- name: lock_posts
-- Keep new actions on these posts out until the commit.
SELECT post_id FROM posts WHERE post_id = ANY(%(ids)s::text[]) ORDER BY post_id FOR UPDATE;

-- name: find_actors
-- Who has acted on any of these posts of late.
SELECT DISTINCT post_id, user_id FROM action_log
WHERE post_id = ANY(%(ids)s::text[])
  AND created_at > now() - make_interval(secs => 86400 * %(look_back_days)s);

-- name: delete_posts
-- Remove posts; their vectors, engagement and actions go along.
DELETE FROM posts WHERE post_id = ANY(%(ids)s::text[]) RETURNING post_id;

-- name: delete_users
-- Remove users; their actions and vectors go along.
DELETE FROM users WHERE user_id = ANY(%(ids)s::text[]) RETURNING user_id;
