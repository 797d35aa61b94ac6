-- name: prune_attempts
-- Attempts older than the retention.
DELETE FROM attempts WHERE ended_at < now() - make_interval(days => %(days)s);

-- name: prune_events
-- Accepted events older than the retention, with their effects. Their ids may come again then.
DELETE FROM events WHERE received_at < now() - make_interval(days => %(days)s);

-- name: prune_runs
-- Runs that ended before the retention.
DELETE FROM runs WHERE finished_at < now() - make_interval(days => %(days)s);

-- name: prune_checks
-- Checks of the graph older than the retention.
DELETE FROM neighbor_checks WHERE checked_at < now() - make_interval(days => %(days)s);

-- name: prune_job_runs
-- Firings older than the retention; the newest of each job stays, it says what is due.
DELETE FROM job_runs r
WHERE slot < now() - make_interval(days => %(days)s)
  AND EXISTS (SELECT FROM job_runs newer WHERE newer.job = r.job AND newer.slot > r.slot);

-- name: prune_words
-- Words of a chat model older than the retention, and the oldest beyond two hundred thousand.
DELETE FROM book_words WHERE written_at < greatest(
    now() - make_interval(days => %(days)s),
    (SELECT written_at FROM book_words ORDER BY written_at DESC OFFSET 200000 LIMIT 1));

-- name: prune_answers
-- Recommendations that were given before the retention.
DELETE FROM recommendations WHERE asked_at < now() - make_interval(days => %(days)s);
