-- name: insert_events
-- Log events, sorted; an id that is already there is a duplicate and not returned.
INSERT INTO events (event_id, event_type)
SELECT event_id, event_type
FROM unnest(%(event_ids)s::uuid[], %(event_types)s::text[]) AS e (event_id, event_type)
ORDER BY event_id
ON CONFLICT DO NOTHING
RETURNING event_id;

-- name: insert_effects
-- What each event made stale, and the watermark at which it is done.
INSERT INTO effects (event_id, kind, key, wanted)
SELECT event_id, %(kind)s, key, wanted
FROM unnest(%(event_ids)s::uuid[], %(keys)s::text[], %(wanteds)s::bigint[]) AS e (event_id, key, wanted)
ON CONFLICT DO NOTHING;
