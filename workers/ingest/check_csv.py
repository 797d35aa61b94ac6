"""Look at a CSV file before it is imported: what is wrong with its rows, and what it would add."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import LiteralString

from workers.core.queries import query
from workers.core.stores import connection
from workers.ingest.csv_rows import Key, open_csv
from workers.ingest.csv_tables import KEYS, Table

COUNT_KNOWN = {
    Table.catalog: query("ingest/check_csv.count_books"),
    Table.students: query("ingest/check_csv.count_students"),
    Table.checkouts: query("ingest/check_csv.count_loans"),
}
COUNT_STUDENTS = query("ingest/check_csv.count_students")
COUNT_BOOKS = query("ingest/check_csv.count_books")

# Bad rows that are shown with their cells; the others are counted.
SHOWN_ROWS = 100
# Of a cell; a broken quote may have made one of many lines.
SHOWN_CELL = 200


@dataclass(frozen=True)
class BadRow:
    """A row that would not be stored: its cells, and what is wrong by column.

    What no single column is at fault for stands under the empty name.
    """

    line: int
    cells: Sequence[str]
    wrong: Mapping[str, str]


@dataclass(frozen=True)
class CheckedFile:
    """What importing a file would do. Of `good` rows `known` are about what is there already.

    `repeated` good rows are followed by another one about the same, which counts. Of loans,
    `unknown_students` and `unknown_books` are named that the library does not have: they would be
    made, with nothing but an id.
    """

    header: Sequence[str]
    rows: int
    good: int
    known: int
    repeated: int
    unknown_students: int = 0
    unknown_books: int = 0
    bad: Sequence[BadRow] = field(default_factory=tuple)

    @property
    def failed(self) -> int:
        """How many rows would not be stored."""
        return self.rows - self.good


def check_csv(table: Table, data: bytes) -> CheckedFile:
    """Read a whole file as an import does, and store nothing.

    Raises:
        CsvFormatError: the header lacks a column, or has an unknown or repeated one.
    """
    file = open_csv(table, data)
    keys: set[Key] = set()
    rows = good = 0
    bad: list[BadRow] = []
    for row in file.rows():
        rows += 1
        if not isinstance(row.event, list):
            good += 1
            keys.add(file.key(row.cells))
        elif len(bad) < SHOWN_ROWS:
            wrong = {error.column or "": error.message for error in row.event}
            bad.append(BadRow(row.line, [_shown(cell) for cell in row.cells], wrong))
    students, books = _unknown(table, keys)
    return CheckedFile(
        header=file.header,
        rows=rows,
        good=good,
        known=_count_known(table, keys),
        repeated=good - len(keys),
        unknown_students=students,
        unknown_books=books,
        bad=bad,
    )


def _count_known(table: Table, keys: set[Key]) -> int:
    """Count what is there already, of what the good rows are about."""
    columns = zip(KEYS[table], zip(*keys, strict=True), strict=False)
    given = {name: list(values) for name, values in columns}
    return _count(COUNT_KNOWN[table], given) if given else 0


def _unknown(table: Table, keys: set[Key]) -> tuple[int, int]:
    """Count the students and the books that loans name and that are not there."""
    if table is not Table.checkouts:
        return 0, 0
    students = list({student_id for student_id, _, _ in keys})
    books = list({book_id for _, book_id, _ in keys})
    return (
        len(students) - _count(COUNT_STUDENTS, {"student_id": students}),
        len(books) - _count(COUNT_BOOKS, {"book_id": books}),
    )


def _count(statement: LiteralString, given: Mapping[str, Sequence[str]]) -> int:
    with connection() as conn:
        row = conn.execute(statement, given).fetchone()
    return 0 if row is None else int(row[0])


def _shown(cell: str) -> str:
    """Write a cell for a page: what is not UTF-8 of it, and what JSON cannot hold, is replaced."""
    return cell[:SHOWN_CELL].replace("\0", "\ufffd").encode(errors="replace").decode()
