-- name: compare_with_limits
-- Which kinds keep their limit, and since when; returns those that have changed, or are known for
-- the first time. Reads one entry of an index per kind, whatever its size.
INSERT INTO freshness_contract AS c (kind, ok)
SELECT limits.kind,
    NOT EXISTS (SELECT FROM freshness f WHERE f.kind = limits.kind AND f.dead_at IS NOT NULL)
    AND coalesce((
        SELECT min(f.stale_since) FROM freshness f
        WHERE f.kind = limits.kind AND f.wanted > f.done AND f.dead_at IS NULL
    ) >= now() - make_interval(secs => limits.limit_s), true)
FROM unnest(%(kinds)s::text[], %(limits_s)s::float8[]) AS limits (kind, limit_s)
ORDER BY limits.kind
ON CONFLICT (kind) DO UPDATE SET ok = excluded.ok, since = now() WHERE c.ok <> excluded.ok
RETURNING kind, ok, xmax = 0 AS is_new;

-- name: list_broken
-- The kinds that were beyond their limit when the scheduler last looked.
SELECT kind, since FROM freshness_contract WHERE NOT ok ORDER BY since;
