-- name: release_held
-- Let the stalest held keys be due.
WITH released AS (
    SELECT kind, key FROM freshness
    WHERE kind = %(kind)s AND wanted > done AND dead_at IS NULL AND not_before = 'infinity'
      AND stale_since <= %(until)s
    ORDER BY stale_since LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
)
UPDATE freshness f SET asked = wanted, not_before = now(), last_sent = now()
FROM released WHERE f.kind = released.kind AND f.key = released.key
RETURNING f.key;

-- name: release_named
-- Let the named keys be due if they are stale; one that is being worked on is due again afterwards.
UPDATE freshness SET asked = wanted, not_before = now(), last_sent = now()
WHERE kind = %(kind)s AND key = ANY(%(keys)s) AND wanted > done AND dead_at IS NULL;

-- name: release_asked
-- Let those of the keys be due whose result was asked for, in the order in which others lock them.
WITH owed AS (
    SELECT kind, key FROM freshness
    WHERE kind = %(kind)s AND key = ANY(%(keys)s) AND wanted > done AND dead_at IS NULL
      AND asked IS NOT NULL
    ORDER BY key
    FOR UPDATE
)
UPDATE freshness f SET asked = wanted, not_before = now(), last_sent = now()
FROM owed WHERE f.kind = owed.kind AND f.key = owed.key
RETURNING f.key;

-- name: find_stale
-- Those of the keys that are stale and will be fresh.
SELECT key FROM freshness
WHERE kind = %(kind)s AND wanted > done AND dead_at IS NULL AND key = ANY(%(keys)s);

-- name: count_keys
-- How many keys are due or being worked on, or are held since before a time; how many that were stale
-- before it are worked on; and how many have a result from after it that is provisional.
SELECT
    count(*) FILTER (WHERE wanted > done AND dead_at IS NULL
        AND (not_before <= now() OR not_before = 'infinity' AND stale_since <= %(until)s)) AS due,
    count(*) FILTER (WHERE wanted > done AND dead_at IS NULL AND lease_until > now()
        AND (stale_since <= %(until)s)) AS leased,
    count(*) FILTER (WHERE asked <= done AND done_at >= %(until)s) AS provisional
FROM freshness WHERE kind = %(kind)s AND (wanted > done OR asked IS NOT NULL);

-- name: count_requested
-- How far a request for certain keys got: how many it named, how many have their result, how many
-- failed, how many others work on, and how many results are provisional.
SELECT
    count(*) AS total,
    count(*) FILTER (WHERE reached) AS done,
    count(*) FILTER (WHERE NOT reached AND error IS NOT NULL) AS failed,
    count(*) FILTER (WHERE NOT reached AND lease_until > now()) AS leased,
    count(*) FILTER (WHERE reached AND asked IS NOT NULL) AS provisional
FROM (
    SELECT f.asked, f.error, f.lease_until,
        f.done >= e.wanted AND (f.asked > f.done) IS NOT TRUE AS reached
    FROM effects e JOIN freshness f USING (kind, key)
    WHERE e.event_id = %(event_id)s AND e.kind = %(kind)s
) requested;
