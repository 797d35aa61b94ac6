"""CSV files of a library: strict, reported line by line, stored as the same events as the API's."""

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from workers.core.boot import open_process
from workers.core.errors import CsvFormatError
from workers.core.logs import configure_logging
from workers.ingest.apply_library import LoanKey
from workers.ingest.csv_tables import (
    COLUMNS,
    EVENT_TYPES,
    KEYS,
    MODELS,
    OPTIONAL_COLUMNS,
    Cell,
    Table,
)
from workers.ingest.events import CheckoutAdded, Event
from workers.ingest.record import record_events
from workers.ledger.freshness import Notification, resend_stale

# Rows stored in one transaction. With more, other writers of the same rows wait for longer.
CHUNK_ROWS = 2000
# A stray quote would otherwise swallow the rest of the file into one cell.
RECORD_MAX_LINES = 200
# Errors that a report lists; the others are counted.
REPORTED_ERRORS = 1000

Key = tuple[str, ...]


@dataclass(frozen=True)
class CsvError:
    """What is wrong with one line; `column` is None where no single column is at fault."""

    line: int
    column: str | None
    message: str


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


def import_csv(table: Table, data: bytes) -> ImportReport:
    """Store the good rows of a file and report the bad ones; a second time changes nothing.

    Rows are stored in transactions of two thousand. Of rows about the same thing the last good
    one counts, and the others are reported as unchanged.

    Raises:
        CsvFormatError: the header lacks a column, or has an unknown or repeated one; nothing
            is stored.
    """
    lines = _lines(data)
    records = _records(lines)
    header = _header(table, next(records, None))
    places = [header.index(name) for name in KEYS[table]]
    repeated = _repeated(places, lines)
    report = ImportReport()
    chunk: list[Event] = []
    last: dict[Key, Event] = {}
    loans: dict[str, tuple[int, LoanKey]] = {}
    for line, record in records:
        report.rows += 1
        event = _without_contradiction(_event(table, header, line, record), line, loans)
        if isinstance(event, list):
            report.refuse(event)
            continue
        key = _key(places, record)
        if hash(key) in repeated:
            report.unchanged += key in last
            last[key] = event
            continue
        chunk.append(event)
        if len(chunk) == CHUNK_ROWS:
            _record(chunk, report)
            chunk = []
    chunk += last.values()
    for start in range(0, len(chunk), CHUNK_ROWS):
        _record(chunk[start : start + CHUNK_ROWS], report)
    return report


def read_events(table: Table, data: bytes) -> Iterator[Event | list[CsvError]]:
    """Read a file's rows in order, each as its event or what is wrong with it; nothing is stored.

    Raises:
        CsvFormatError: the header lacks a column, or has an unknown or repeated one.
    """
    records = _records(_lines(data))
    header = _header(table, next(records, None))
    for line, record in records:
        yield _event(table, header, line, record)


def _lines(data: bytes) -> list[str]:
    """Split a file; bytes that are not UTF-8 survive as surrogates until their cell is reported."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return list(io.StringIO(text, newline=""))


def _repeated(places: Sequence[int], lines: Sequence[str]) -> set[int]:
    """Find keys that stand in more than one row, as hashes.

    Of these rows only the last one is stored. Stored in order, each would change what another
    transaction has stored for the one before it, and again with every import of the file.
    """
    seen: set[int] = set()
    repeated: set[int] = set()
    for _, record in _records(lines):
        if isinstance(record, list) and len(record) > max(places):
            key = hash(_key(places, record))
            (repeated if key in seen else seen).add(key)
    return repeated


def _key(places: Sequence[int], record: Sequence[str]) -> Key:
    return tuple(record[place].strip() for place in places)


def _records(lines: Sequence[str]) -> Iterator[tuple[int, list[str] | str]]:
    """Yield each record's first line number and cells, or why it cannot be read.

    Reading goes on at the line after a broken record's first one, so that only that line is lost.
    """
    start = 0
    while start < len(lines):
        end = min(start + RECORD_MAX_LINES, len(lines))
        reader = csv.reader((lines[i] for i in range(start, end)), strict=True)
        try:
            cells = next(reader)
        except csv.Error as error:
            yield start + 1, str(error)
            start += 1
        else:
            if cells:
                yield start + 1, cells
            start += reader.line_num


def _header(table: Table, first: tuple[int, list[str] | str] | None) -> list[str]:
    if first is None:
        raise CsvFormatError("the file is empty: a header line comes first")
    if isinstance(first[1], str):
        raise CsvFormatError(f"the header cannot be read: {first[1]}")
    header = [name.strip() for name in first[1]]
    columns = COLUMNS[table]
    for name in header:
        if name not in columns:
            shown = name.encode("utf-8", "replace").decode()
            raise CsvFormatError(f"unknown column {shown!r}", shown)
        if header.count(name) > 1:
            raise CsvFormatError(f"column {name!r} stands twice", name)
    for name in columns:
        if name not in header and name not in OPTIONAL_COLUMNS:
            raise CsvFormatError(f"column {name!r} is missing", name)
    return header


def _event(
    table: Table, header: Sequence[str], line: int, record: list[str] | str
) -> Event | list[CsvError]:
    if isinstance(record, str):
        return [CsvError(line, None, f"the line cannot be read: {record}")]
    if len(record) > len(header):
        message = f"{len(record)} cells where the header has {len(header)}"
        return [CsvError(line, str(len(header) + 1), message)]
    if len(record) < len(header):
        message = f"{len(record)} cells where the header has {len(header)}"
        return [CsvError(line, header[len(record)], message)]
    errors: list[CsvError] = []
    fields: dict[str, Cell] = {}
    for name, text in zip(header, record, strict=True):
        try:
            text.encode()
            fields[name] = COLUMNS[table][name](text.strip())
        except UnicodeEncodeError:
            errors.append(CsvError(line, name, "not UTF-8"))
        except ValueError as error:
            errors.append(CsvError(line, name, str(error)))
    if errors:
        return errors
    try:
        return MODELS[table].model_validate({"event_type": EVENT_TYPES[table], **fields})
    except ValidationError as error:
        return [
            CsvError(
                line,
                str(problem["loc"][0]),
                "must not be blank" if problem["input"] is None else problem["msg"],
            )
            for problem in error.errors(include_url=False)
        ]


def _without_contradiction(
    event: Event | list[CsvError], line: int, loans: dict[str, tuple[int, LoanKey]]
) -> Event | list[CsvError]:
    """Refuse a loan's id that an earlier line has for another loan: each would undo the other."""
    if not isinstance(event, CheckoutAdded) or event.checkout_id is None:
        return event
    loan = LoanKey(event.student_id, event.book_id, event.checkout_date)
    first_line, first = loans.setdefault(event.checkout_id, (line, loan))
    if first == loan:
        return event
    return [CsvError(line, "checkout_id", f"stands in line {first_line} for another loan")]


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
