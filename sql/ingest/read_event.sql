-- name: read_event
-- One accepted event with what it made stale, and what followed from that: an embedding that
-- changed raised its neighbours. A thing is done when an attempt without error has reached its
-- watermark. An event that changed nothing has one row, without a kind.
WITH direct AS (
    SELECT kind, key, wanted FROM effects WHERE event_id = %(event_id)s
), first_done AS (
    SELECT d.kind, d.key, d.wanted, a.ended_at AS done_at, a.raised_wanted
    FROM direct d LEFT JOIN LATERAL (
        SELECT ended_at, raised_wanted FROM attempts a
        WHERE a.kind = d.kind AND a.key = d.key AND a.wanted >= d.wanted AND a.error IS NULL
        ORDER BY a.attempt_id LIMIT 1
    ) a ON true
), followed AS (
    SELECT 'student_neighbors' AS kind, d.key, d.raised_wanted AS wanted, a.ended_at AS done_at
    FROM first_done d LEFT JOIN LATERAL (
        SELECT ended_at FROM attempts a
        WHERE a.kind = 'student_neighbors' AND a.key = d.key AND a.wanted >= d.raised_wanted
          AND a.error IS NULL
        ORDER BY a.attempt_id LIMIT 1
    ) a ON true
    WHERE d.kind = 'student_embedding' AND d.raised_wanted IS NOT NULL
)
SELECT e.event_type, e.received_at, chain.kind, chain.key,
    CASE WHEN chain.done_at IS NOT NULL OR f.done >= chain.wanted THEN 'fresh'
         WHEN f.dead_at IS NOT NULL THEN 'dead'
         WHEN f.lease_token IS NOT NULL AND f.lease_until > now() THEN 'running'
         WHEN f.error IS NOT NULL THEN 'retrying'
         ELSE 'stale' END AS state,
    coalesce(chain.done_at, CASE WHEN f.done >= chain.wanted THEN f.done_at END) AS done_at,
    f.error
FROM events e LEFT JOIN (
    (SELECT kind, key, wanted, done_at FROM first_done UNION ALL SELECT * FROM followed) chain
    JOIN freshness f USING (kind, key)
) ON true
WHERE e.event_id = %(event_id)s
ORDER BY chain.kind, chain.key;
