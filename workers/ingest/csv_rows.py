"""Rows of a library's CSV file: read strictly, each as its event or as what is wrong with it."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import ValidationError

from workers.core.errors import CsvFormatError
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

# A stray quote would otherwise swallow the rest of the file into one cell.
RECORD_MAX_LINES = 200

Key = tuple[str, ...]


@dataclass(frozen=True)
class CsvError:
    """What is wrong with one line; `column` is None where no single column is at fault."""

    line: int
    column: str | None
    message: str


@dataclass(frozen=True)
class CsvRow:
    """A row: the number of its first line, its cells, and its event or what is wrong with it.

    A row that cannot be read as cells has none.
    """

    line: int
    cells: Sequence[str]
    event: Event | list[CsvError]


@dataclass(frozen=True)
class CsvFile:
    """A file of one table: its lines, and the columns of its header."""

    table: Table
    lines: Sequence[str]
    header: Sequence[str]

    @cached_property
    def places(self) -> list[int]:
        """Where the columns of the key stand."""
        return [self.header.index(name) for name in KEYS[self.table]]

    def key(self, cells: Sequence[str]) -> Key:
        """Return what a row is about."""
        return tuple(cells[place].strip() for place in self.places)

    def records(self) -> Iterator[tuple[int, list[str] | str]]:
        """Yield the number and the cells of each row, or why it cannot be read."""
        records = _records(self.lines)
        next(records, None)
        return records

    def rows(self) -> Iterator[CsvRow]:
        """Yield the rows in order; a loan's id that an earlier line has for another is refused."""
        loans: dict[str, tuple[int, LoanKey]] = {}
        for line, record in self.records():
            event = _event(self.table, self.header, line, record)
            cells = [] if isinstance(record, str) else record
            yield CsvRow(line, cells, _without_contradiction(event, line, loans))


def open_csv(table: Table, data: bytes) -> CsvFile:
    """Read a file's header.

    Raises:
        CsvFormatError: the header lacks a column, or has an unknown or repeated one.
    """
    lines = _lines(data)
    return CsvFile(table, lines, _header(table, next(_records(lines), None)))


def _lines(data: bytes) -> list[str]:
    """Split a file; bytes that are not UTF-8 survive as surrogates until their cell is reported."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return list(io.StringIO(text, newline=""))


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
