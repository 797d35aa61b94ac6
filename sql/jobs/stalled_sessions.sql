-- name: end_stalled
-- End sessions whose process says nothing in the middle of a statement. The server's own limit of an
-- idle transaction does not see those: to it a COPY without data, or a pipeline whose end has not
-- come, is at work.
SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user
  AND application_name = %(application)s
  AND xact_start IS NOT NULL AND wait_event = 'ClientRead'
  AND state_change < now() - make_interval(secs => %(stalled_s)s);
