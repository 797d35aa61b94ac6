-- name: log_rebuild
-- The run is the event behind the edges that it writes.
INSERT INTO events (event_id, event_type) VALUES (%(run_id)s, 'neighbors_rebuilt') ON CONFLICT DO NOTHING;

