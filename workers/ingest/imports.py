"""Files that are looked at first and imported then: kept for a day at most, imported as a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection, transaction
from workers.ingest.check_csv import CheckedFile, check_csv
from workers.ingest.csv_import import ImportReport, import_csv
from workers.ingest.csv_tables import Table
from workers.jobs.runs import RunKind, RunLease, create_run, leased_run
from workers.ledger.freshness import Notification

INSERT_IMPORT = query("ingest/imports.insert_import")
READ_IMPORT = query("ingest/imports.read_import")
LIST_IMPORTS = query("ingest/imports.list_imports")
LOCK_IMPORT = query("ingest/imports.lock_import")
NOTE_RUN = query("ingest/imports.note_run")
READ_FILE = query("ingest/imports.read_file")
FINISH_IMPORT = query("ingest/imports.finish_import")
DELETE_IMPORT = query("ingest/imports.delete_import")
PRUNE_IMPORTS = query("ingest/imports.prune_imports")

SHOWN_IMPORTS = 20
# Errors that are kept with a report; a page of more is read by nobody.
KEPT_ERRORS = 200


@dataclass(frozen=True)
class Import:
    """A file and where it stands: looked at, imported by the run, or done with a report.

    `checked` is a `CheckedFile`, `report` counts and errors of an `ImportReport`; both as JSON.
    """

    import_id: UUID
    holds: Table
    file_name: str
    created_at: datetime
    checked: Mapping[str, Any] | None
    report: Mapping[str, Any] | None
    run_id: UUID | None
    is_there: bool


def look_at_file(table: Table, file_name: str, data: bytes) -> tuple[UUID, CheckedFile]:
    """Check a file and keep it, to be imported later; nothing of it is stored as facts.

    Raises:
        CsvFormatError: the header lacks a column, or has an unknown or repeated one.
    """
    checked = check_csv(table, data)
    import_id = uuid4()
    with connection() as conn:
        conn.execute(
            INSERT_IMPORT,
            {
                "import_id": import_id,
                "holds": table,
                "file_name": file_name,
                "data": data,
                "checked": Jsonb(asdict(checked)),
            },
        )
    return import_id, checked


def read_import(import_id: UUID) -> Import:
    """Read where a file stands.

    Raises:
        UnknownKeyError: there is none of this id, or it was deleted.
    """
    with connection() as conn, conn.cursor(row_factory=class_row(Import)) as cursor:
        found = cursor.execute(READ_IMPORT, {"import_id": import_id}).fetchone()
    if found is None:
        raise UnknownKeyError("unknown_import", str(import_id))
    return found


def list_imports() -> list[Import]:
    """List the newest files."""
    with connection() as conn, conn.cursor(row_factory=class_row(Import)) as cursor:
        return cursor.execute(LIST_IMPORTS, {"limit": SHOWN_IMPORTS}).fetchall()


def begin_import(import_id: UUID) -> UUID:
    """Begin the run that imports a file; send its message afterwards.

    Raises:
        UnknownKeyError: there is no such file, or it was imported.
        RunActiveError: a file is being imported.
    """
    with transaction() as conn:
        if conn.execute(LOCK_IMPORT, {"import_id": import_id}).fetchone() is None:
            raise UnknownKeyError("unknown_import", str(import_id))
        run_id = create_run(RunKind.import_file, conn)
        conn.execute(NOTE_RUN, {"import_id": import_id, "run_id": run_id})
    return run_id


def delete_import(import_id: UUID) -> None:
    """Delete a file that is not wanted after all.

    Raises:
        UnknownKeyError: there is no such file, or it is being imported.
    """
    with connection() as conn:
        if not conn.execute(DELETE_IMPORT, {"import_id": import_id}).rowcount:
            raise UnknownKeyError("unknown_import", str(import_id))


def prune_imports() -> int:
    """Delete files of yesterday and before; returns how many."""
    with connection() as conn:
        return conn.execute(PRUNE_IMPORTS).rowcount


def run_import(run_id: UUID) -> list[Notification]:
    """Import the file of a run; a killed run begins anew, which changes nothing twice.

    Returns:
        Messages for what has become stale.

    Raises:
        psycopg.Error: a store failed; the run is resumed later.
    """
    with leased_run(run_id) as lease:
        return [] if lease is None else _import(lease)
    return []


def _import(lease: RunLease) -> list[Notification]:
    with connection() as conn:
        found = conn.execute(READ_FILE, {"run_id": lease.run_id}).fetchone()
    if found is None:
        # It was deleted, or a worker that was lost afterwards had finished it.
        return []
    holds, data, total = found

    def report(so_far: ImportReport) -> None:
        done = min(so_far.rows, total)
        lease.report(
            total=total, done=done, failed=so_far.failed, progress=done / total if total else 1.0
        )

    imported = import_csv(Table(holds), data, after_chunk=report)
    report(imported)
    kept = {name: value for name, value in vars(imported).items() if isinstance(value, int)}
    errors = [asdict(error) for error in imported.errors[:KEPT_ERRORS]]
    with connection() as conn:
        conn.execute(
            FINISH_IMPORT,
            {"run_id": lease.run_id, "report": Jsonb({**kept, "errors": errors})},
        )
    return imported.notifications
