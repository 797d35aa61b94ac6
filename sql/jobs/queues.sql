-- name: pause_queue
-- Hold a queue back; pausing it twice changes nothing.
INSERT INTO paused_queues (queue, paused_by) VALUES (%(queue)s, %(paused_by)s)
ON CONFLICT DO NOTHING RETURNING queue;

-- name: resume_queue
-- Let a queue go on.
DELETE FROM paused_queues WHERE queue = %(queue)s RETURNING queue;

-- name: list_paused
-- The queues that are held back.
SELECT queue FROM paused_queues;

-- name: is_paused
-- Whether a queue is held back.
SELECT EXISTS (SELECT FROM paused_queues WHERE queue = %(queue)s);
