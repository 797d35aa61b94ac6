-- name: mark_stale
-- Something changed: each key wants one more run. A dead key gets a new chance. Keys of a kind
-- that is held are not due until they are released. Sorted, so that transactions that mark the same
-- keys lock them in the same order.
INSERT INTO freshness AS f (kind, key, stale_since, last_event, not_before)
SELECT %(kind)s, key, now(), event_id, CASE WHEN %(held)s THEN 'infinity' ELSE now() END
FROM unnest(%(keys)s::text[], %(event_ids)s::uuid[]) AS marked (key, event_id)
ORDER BY key
ON CONFLICT (kind, key) DO UPDATE SET
    wanted = f.wanted + 1,
    stale_since = coalesce(f.stale_since, now()),
    last_event = excluded.last_event,
    last_sent = now(),
    attempts = CASE WHEN f.dead_at IS NULL THEN f.attempts ELSE 0 END,
    not_before = CASE WHEN f.wanted > f.done AND f.dead_at IS NULL THEN f.not_before
                      ELSE excluded.not_before END,
    error = CASE WHEN f.dead_at IS NULL THEN f.error END,
    dead_at = NULL
RETURNING key, wanted;

-- name: lock_keys
-- Lock the named keys of a kind in order, ahead of writes to the rows they stand for.
SELECT key FROM freshness WHERE kind = %(kind)s AND key = ANY(%(keys)s) ORDER BY key FOR UPDATE;

-- name: forget_keys
-- A deleted thing leaves the ledger: its row, its attempts, and what events say about it.
WITH gone AS (DELETE FROM freshness WHERE kind = ANY(%(kinds)s) AND key = ANY(%(keys)s)),
     unlinked AS (DELETE FROM effects WHERE kind = ANY(%(kinds)s) AND key = ANY(%(keys)s))
DELETE FROM attempts WHERE kind = ANY(%(kinds)s) AND key = ANY(%(keys)s);

-- name: claim_orphan
-- One key whose last worker was lost with it, which is noted as an attempt. Claimed alone: if it is
-- what kills workers, it takes no other key along. Those that were lost least often come first:
-- they are most likely innocent, and need not wait until the others are dead.
WITH due AS (
    SELECT kind, key, wanted, leased_by, leased_at FROM freshness
    WHERE kind = %(kind)s AND wanted > done AND dead_at IS NULL
      AND lease_token IS NOT NULL AND lease_until < now() AND attempts < %(max_attempts)s
      AND NOT EXISTS (SELECT FROM paused_queues WHERE queue = %(queue)s)
    ORDER BY attempts, stale_since LIMIT 1
    FOR UPDATE SKIP LOCKED
), lost AS (
    INSERT INTO attempts (kind, key, wanted, worker, started_at, error)
    SELECT kind, key, wanted, leased_by, leased_at, %(lost_worker)s FROM due
)
UPDATE freshness f SET
    lease_token = %(token)s,
    lease_until = now() + make_interval(secs => %(lease_seconds)s),
    leased_by = %(worker)s, leased_at = now(),
    attempts = f.attempts + 1
FROM due WHERE f.kind = due.kind AND f.key = due.key
RETURNING f.key, f.wanted, f.attempts, f.last_event, f.stale_since;

-- name: claim_due
-- Up to `batch` due keys, the one that the message names first, then the stalest; none while their
-- queue is paused. A full batch also when another worker has the named one: there are as many
-- messages as full batches, and what none of them claims would wait for the reconciler.
WITH named AS (
    SELECT kind, key FROM freshness
    WHERE kind = %(kind)s AND key = %(key)s AND wanted > done AND dead_at IS NULL
      AND not_before <= now() AND lease_token IS NULL
      AND NOT EXISTS (SELECT FROM paused_queues WHERE queue = %(queue)s)
    FOR UPDATE SKIP LOCKED
), others AS (
    SELECT kind, key FROM freshness
    WHERE kind = %(kind)s AND key <> %(key)s AND wanted > done AND dead_at IS NULL
      AND not_before <= now() AND lease_token IS NULL
      AND NOT EXISTS (SELECT FROM paused_queues WHERE queue = %(queue)s)
    ORDER BY stale_since LIMIT %(batch)s
    FOR UPDATE SKIP LOCKED
), due AS (
    -- Takes no more of the others than it needs; and says to the planner how few they are.
    SELECT * FROM named UNION ALL SELECT * FROM others LIMIT %(batch)s
)
UPDATE freshness f SET
    lease_token = %(token)s,
    lease_until = now() + make_interval(secs => %(lease_seconds)s),
    leased_by = %(worker)s, leased_at = now(),
    attempts = f.attempts + 1
FROM due
WHERE f.kind = due.kind AND f.key = due.key
RETURNING f.key, f.wanted, f.attempts, f.last_event, f.stale_since;

-- name: confirm_lease
-- Which of the claimed keys are still ours, locked in order until the result is written.
SELECT key FROM freshness
WHERE kind = %(kind)s AND key = ANY(%(keys)s) AND lease_token = %(token)s
ORDER BY key FOR UPDATE;

-- name: mark_done
-- The claimed watermark is reached. A key that was marked stale meanwhile stays stale since its claim,
-- and is held unless its result was asked for meanwhile, too. Whoever asked still waits for a result
-- whose inputs are fresh.
UPDATE freshness f SET
    done = claimed.wanted,
    done_event = claimed.event_id,
    done_at = now(),
    stale_since = CASE WHEN f.wanted > claimed.wanted THEN %(started_at)s::timestamptz END,
    attempts = 0, error = NULL,
    asked = CASE WHEN f.asked > claimed.wanted OR claimed.provisional THEN f.asked END,
    not_before = CASE WHEN f.wanted > claimed.wanted AND %(held)s
                      AND (f.asked > claimed.wanted) IS NOT TRUE THEN 'infinity' ELSE now() END,
    lease_token = NULL, lease_until = NULL, last_sent = now()
FROM unnest(%(keys)s::text[], %(wanteds)s::bigint[], %(event_ids)s::uuid[], %(provisional)s::boolean[])
     AS claimed (key, wanted, event_id, provisional)
WHERE f.kind = %(kind)s AND f.key = claimed.key
RETURNING f.key, f.wanted > f.done AND f.not_before <= now() AS due_again;

-- name: postpone
-- Not the keys' fault (the provider is down): give the lease back, and the attempt with it.
UPDATE freshness SET
    attempts = greatest(attempts - 1, 0), error = %(error)s,
    not_before = now() + make_interval(secs => %(delay_s)s),
    lease_token = NULL, lease_until = NULL
WHERE kind = %(kind)s AND key = ANY(%(keys)s) AND lease_token = %(token)s
RETURNING key;

-- name: fail
-- A failed attempt: back off with the given delay per key, or die without one. A key that
-- was marked stale meanwhile does not die: it gets the new chance that a new fact gives to a dead one.
UPDATE freshness f SET
    error = failed.error,
    not_before = now() + make_interval(secs => coalesce(failed.delay_s, 0)),
    dead_at = CASE WHEN failed.delay_s IS NULL AND f.wanted = failed.wanted THEN now() END,
    attempts = CASE WHEN failed.delay_s IS NULL AND f.wanted > failed.wanted THEN 0 ELSE f.attempts END,
    lease_token = NULL, lease_until = NULL
FROM unnest(%(keys)s::text[], %(wanteds)s::bigint[], %(errors)s::text[], %(delays_s)s::float8[])
     AS failed (key, wanted, error, delay_s)
WHERE f.kind = %(kind)s AND f.key = failed.key AND f.lease_token = %(token)s
RETURNING f.key, f.dead_at IS NOT NULL AS dead;

-- name: record_attempts
-- One row per key and attempt, for the causal chain and for whoever asks why.
INSERT INTO attempts (kind, key, wanted, worker, started_at, error, traceback, raised_wanted)
SELECT %(kind)s, key, wanted, %(worker)s, %(started_at)s, error, traceback, raised_wanted
FROM unnest(%(keys)s::text[], %(wanteds)s::bigint[], %(errors)s::text[], %(tracebacks)s::text[],
            %(raised)s::bigint[]) AS attempt (key, wanted, error, traceback, raised_wanted);

-- name: bury_lost
-- Keys whose last worker was lost with them once too often. A deployment that was rolled back may
-- have left keys of kinds that are unknown here.
WITH lost AS (
    SELECT kind, key, leased_by, leased_at FROM freshness
    WHERE kind = ANY(%(kinds)s) AND wanted > done AND dead_at IS NULL AND lease_token IS NOT NULL
      AND lease_until < now() AND attempts >= %(max_attempts)s
    ORDER BY kind, key
    FOR UPDATE SKIP LOCKED
), buried AS (
    UPDATE freshness f SET
        dead_at = now(), error = %(error)s, lease_token = NULL, lease_until = NULL
    FROM lost WHERE f.kind = lost.kind AND f.key = lost.key
    RETURNING f.kind, f.key, f.wanted, lost.leased_by, lost.leased_at
)
INSERT INTO attempts (kind, key, wanted, worker, started_at, error)
SELECT kind, key, wanted, leased_by, leased_at, %(error)s FROM buried
RETURNING kind, key;

-- name: find_overdue
-- Due keys that no recent message stands for, marked as sent now. The throttle keeps a backlog
-- from filling the queue with copies of itself.
WITH overdue AS (
    SELECT kind, key FROM freshness
    WHERE kind = ANY(%(kinds)s) AND wanted > done AND dead_at IS NULL AND not_before <= now()
      AND (lease_token IS NULL OR lease_until < now())
      AND last_sent < now() - make_interval(secs => %(resend_after_seconds)s)
    ORDER BY kind, stale_since LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
)
UPDATE freshness f SET last_sent = now()
FROM overdue WHERE f.kind = overdue.kind AND f.key = overdue.key
RETURNING f.kind, f.key, f.lease_token IS NOT NULL AS orphan;

-- name: resend_stale
-- Let the reconciler's next pass send whatever is stale: nobody else has. Whoever works on a key
-- sends what follows from it.
WITH stale AS (
    SELECT kind, key FROM freshness
    WHERE wanted > done AND dead_at IS NULL AND lease_token IS NULL
    ORDER BY kind, key
    FOR UPDATE SKIP LOCKED
)
UPDATE freshness f SET last_sent = '-infinity'
FROM stale WHERE f.kind = stale.kind AND f.key = stale.key;
