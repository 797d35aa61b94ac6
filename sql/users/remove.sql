-- name: read_clock
-- Now as the version of a vector: microseconds of this server's clock.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
