-- name: lock_graph
-- One writer of the graph at a time: no deadlock, and changes are numbered in commit order.
SELECT pg_advisory_xact_lock(hashtext('kinfold.graph'));

-- name: read_changes
-- The last change that a copy has seen, to know that it is still there, and those after it.
SELECT seq, moved, changed, removed FROM graph_changes WHERE seq >= %(seq)s ORDER BY seq;

-- name: record_change
-- Tell the other workers which students moved, whose lists changed, and who is gone.
INSERT INTO graph_changes (moved, changed, removed)
VALUES (%(moved)s::text[], %(changed)s::text[], %(removed)s::text[])
RETURNING seq;

-- name: prune_changes
-- Changes that every living worker has seen, or that make it load the graph anew.
DELETE FROM graph_changes WHERE written_at < now() - make_interval(secs => %(seconds)s);

-- name: read_seq
-- The newest change.
SELECT coalesce(max(seq), 0) FROM graph_changes;

-- name: limit_wait
-- For the transaction that waits for the updater lock.
SELECT set_config('lock_timeout', %(milliseconds)s::text, true);

-- name: take_updater_lock
-- Become the one process that updates neighbours; held across transactions, but not by a process
-- that has stalled: the server ends a session that says nothing for so long, and the lock with it.
SELECT pg_advisory_lock(hashtext('kinfold.neighbors')),
       set_config('idle_session_timeout', %(milliseconds)s::text, false);

-- name: release_updater_lock
-- Let another process update neighbours; the session may be idle again.
SELECT pg_advisory_unlock(hashtext('kinfold.neighbors')), set_config('idle_session_timeout', '0', false);
