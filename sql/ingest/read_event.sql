-- name: read_event
-- One accepted event with what it made stale, and what followed from that: an embedding that
-- changed made its neighbours stale. A thing is done when an attempt without error has reached its
-- watermark. An event that changed nothing has one row, without a kind.
WITH RECURSIVE chain AS (
    SELECT kind, key, wanted FROM effects WHERE event_id = %(event_id)s
    UNION ALL
    SELECT follows.follower, chain.key, first_done.raised_wanted
    FROM chain
    JOIN unnest(%(kinds)s::text[], %(followers)s::text[]) AS follows (kind, follower) USING (kind)
    CROSS JOIN LATERAL (
        SELECT raised_wanted FROM attempts a
        WHERE a.kind = chain.kind AND a.key = chain.key AND a.wanted >= chain.wanted
          AND a.error IS NULL
        ORDER BY a.attempt_id LIMIT 1
    ) first_done
    WHERE first_done.raised_wanted IS NOT NULL
), dated AS (
    SELECT chain.*, first_done.ended_at AS done_at
    FROM chain LEFT JOIN LATERAL (
        SELECT ended_at FROM attempts a
        WHERE a.kind = chain.kind AND a.key = chain.key AND a.wanted >= chain.wanted
          AND a.error IS NULL
        ORDER BY a.attempt_id LIMIT 1
    ) first_done ON true
)
SELECT e.event_type, e.received_at, dated.kind, dated.key,
    CASE WHEN dated.done_at IS NOT NULL OR f.done >= dated.wanted THEN 'fresh'
         WHEN f.dead_at IS NOT NULL THEN 'dead'
         WHEN f.lease_token IS NOT NULL AND f.lease_until > now() THEN 'running'
         WHEN f.error IS NOT NULL THEN 'retrying'
         ELSE 'stale' END AS state,
    coalesce(dated.done_at, CASE WHEN f.done >= dated.wanted THEN f.done_at END) AS done_at,
    f.error
FROM events e LEFT JOIN (dated JOIN freshness f USING (kind, key)) ON true
WHERE e.event_id = %(event_id)s
ORDER BY dated.kind, dated.key;
