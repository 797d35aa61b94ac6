"""CSV files of a library: strict, reported line by line, stored as the same events as the API's."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workers.core.boot import open_process
from workers.core.errors import CsvFormatError
from workers.core.logs import configure_logging
from workers.ingest.csv_rows import CsvError, CsvFile, Key, open_csv
from workers.ingest.csv_tables import Table
from workers.ingest.events import Event
from workers.ingest.record import record_events
from workers.ledger.freshness import Notification, resend_stale

# Rows stored in one transaction. With more, other writers of the same rows wait for longer.
CHUNK_ROWS = 2000
# Errors that a report lists; the others are counted.
REPORTED_ERRORS = 1000


@dataclass
class ImportReport:
    """Rows by what became of them; `failed` rows have at least one of the errors each.

    `errors` holds the first thousand. Send the wake-ups once the import has returned.
    """

    rows: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    errors: list[CsvError] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)

    def refuse(self, errors: Sequence[CsvError]) -> None:
        """Count one bad row, and keep its errors."""
        self.failed += 1
        self.errors += errors[: REPORTED_ERRORS - len(self.errors)]


def import_csv(
    table: Table,
    data: bytes,
    *,
    after_chunk: Callable[[ImportReport], None] = lambda _report: None,
) -> ImportReport:
    """Store the good rows of a file and report the bad ones; a second time changes nothing.

    Rows are stored in transactions of two thousand. Of rows about the same thing the last good
    one counts, and the others are reported as unchanged.

    Args:
        after_chunk: is told how far the import got, after each transaction; what it raises ends it.

    Raises:
        CsvFormatError: the header lacks a column, or has an unknown or repeated one; nothing
            is stored.
    """
    file = open_csv(table, data)
    repeated = repeated_keys(file)
    report = ImportReport()
    chunk: list[Event] = []
    last: dict[Key, Event] = {}
    for row in file.rows():
        report.rows += 1
        if isinstance(row.event, list):
            report.refuse(row.event)
            continue
        key = file.key(row.cells)
        if hash(key) in repeated:
            report.unchanged += key in last
            last[key] = row.event
            continue
        chunk.append(row.event)
        if len(chunk) == CHUNK_ROWS:
            _record(chunk, report)
            after_chunk(report)
            chunk = []
    chunk += last.values()
    for start in range(0, len(chunk), CHUNK_ROWS):
        _record(chunk[start : start + CHUNK_ROWS], report)
        after_chunk(report)
    return report


def repeated_keys(file: CsvFile) -> set[int]:
    """Find keys that stand in more than one row, as hashes.

    Of these rows only the last one is stored. Stored in order, each would change what another
    transaction has stored for the one before it, and again with every import of the file.
    """
    most = max(file.places)
    seen: set[int] = set()
    repeated: set[int] = set()
    for _, record in file.records():
        if isinstance(record, list) and len(record) > most:
            key = hash(file.key(record))
            (repeated if key in seen else seen).add(key)
    return repeated


def _record(events: Sequence[Event], report: ImportReport) -> None:
    if not events:
        return
    recorded = record_events(events, log_unchanged=False)
    report.inserted += recorded.outcomes.count("inserted")
    report.updated += recorded.outcomes.count("updated")
    report.unchanged += recorded.outcomes.count("unchanged")
    report.notifications += recorded.notifications


def main() -> int:
    """Run `python -m workers.ingest.csv_import TABLE FILE`; the reconciler sends the work."""
    parser = argparse.ArgumentParser(description="Import a CSV file of the library.")
    parser.add_argument("table", choices=list(Table), type=Table)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    configure_logging(sys.stderr)
    try:
        with open_process("command"):
            report = import_csv(arguments.table, arguments.file.read_bytes())
            resend_stale()
    except (CsvFormatError, OSError) as error:
        print(f"{arguments.file}: {error}", file=sys.stderr)  # noqa: T201  # a command's answer
        return 2
    counts = {name: value for name, value in vars(report).items() if isinstance(value, int)}
    print(json.dumps({**counts, "errors": [vars(error) for error in report.errors]}))  # noqa: T201
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
