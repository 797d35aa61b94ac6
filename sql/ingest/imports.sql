-- name: insert_import
-- A file that was looked at, with what was found.
INSERT INTO imports (import_id, holds, file_name, data, checked)
VALUES (%(import_id)s, %(holds)s, %(file_name)s, %(data)s, %(checked)s);

-- name: read_import
-- What is known of a file, without the file.
SELECT i.import_id, i.holds, i.file_name, i.created_at, i.checked, i.report, i.run_id,
    i.data IS NOT NULL AS is_there
FROM imports i WHERE i.import_id = %(import_id)s;

-- name: list_imports
-- The newest files.
SELECT i.import_id, i.holds, i.file_name, i.created_at, i.checked, i.report, i.run_id,
    i.data IS NOT NULL AS is_there
FROM imports i ORDER BY i.created_at DESC LIMIT %(limit)s;

-- name: lock_import
-- A file that is to be imported; its second request waits for the first.
SELECT run_id FROM imports WHERE import_id = %(import_id)s AND data IS NOT NULL FOR UPDATE;

-- name: note_run
-- The run that imports a file.
UPDATE imports SET run_id = %(run_id)s WHERE import_id = %(import_id)s;

-- name: read_file
-- The file that a run imports.
SELECT holds, data, (checked -> 'rows')::int FROM imports
WHERE run_id = %(run_id)s AND data IS NOT NULL;

-- name: finish_import
-- What became of a file's rows; the file goes, and the rows that were shown with it.
UPDATE imports SET report = %(report)s, data = NULL, checked = NULL WHERE run_id = %(run_id)s;

-- name: delete_import
-- A file that is not wanted after all, unless it is being imported.
DELETE FROM imports i WHERE import_id = %(import_id)s AND NOT EXISTS (
    SELECT FROM runs r WHERE r.run_id = i.run_id AND r.state IN ('queued', 'running'));

-- name: prune_imports
-- Files of yesterday and before, and what is known of them, unless they are being imported.
DELETE FROM imports i WHERE created_at < now() - interval '1 day' AND NOT EXISTS (
    SELECT FROM runs r WHERE r.run_id = i.run_id AND r.state IN ('queued', 'running'));
