"""Books and loans out of CSV files of any library, as an evaluation takes them.

More lenient than the import: of a catalogue only `book_id` is needed, other columns are passed
over, and what a row lacks is counted and said instead of refused.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from workers.books.answers import BAND_LEVELS
from workers.books.catalog import Book, Catalog, build_catalog
from workers.books.loans import Loans, make_loans, number_loans
from workers.books.vectors import BookRow, render_book
from workers.core.errors import CsvFormatError
from workers.ingest.csv_tables import COLUMNS, Cell, Table

NEEDED = {
    Table.catalog: ("book_id",),
    Table.checkouts: ("student_id", "book_id", "checkout_date"),
}
EPOCH = datetime(1970, 1, 1)  # times without a zone are compared with it
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DELIMITERS = ",;\t"
MIN_RATING, MAX_RATING = 1, 5
# Of a cell that is shown in a message.
SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class Notes:
    """What was passed over in files: how often, and the first cell that was."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, cell: str = "") -> None:
        """Note one more row or cell, and show the first of its sort."""
        self.counts[what] += 1
        self.first.setdefault(what, cell[:SHOWN_CHARACTERS].encode("utf-8", "replace").decode())

    def lines(self) -> Iterator[str]:
        """Say each in a line."""
        for what, count in self.counts.items():
            cell = f", the first {self.first[what]!r}" if self.first[what] else ""
            yield f"{count:,} {what}{cell}"


@dataclass(frozen=True)
class Shelf:
    """The books of a file: the catalogue, and the text of each for its vector, in its order."""

    catalog: Catalog
    texts: tuple[str, ...]


def read_shelf(data: bytes, notes: Notes) -> Shelf:
    """Read a catalogue; of rows about the same book the last one counts. Adds to `notes`.

    Raises:
        CsvFormatError: the file lacks a column, or has no book.
    """
    books: dict[str, Mapping[str, Cell]] = {}
    for row in _rows(Table.catalog, data):
        cells = {
            name: _cell(name, text, notes)
            for name, text in row.items()
            if name in COLUMNS[Table.catalog]
        }
        book_id = str(cells["book_id"] or "")
        if not book_id:
            notes.add("books without an id, left out")
            continue
        if book_id in books:
            notes.add("rows about a book of an earlier row, which they replace", book_id)
        books[book_id] = cells
    if not books:
        raise CsvFormatError("catalog: there are no books")
    catalog = build_catalog(_book(book_id, cells) for book_id, cells in books.items())
    return Shelf(catalog, tuple(_text(book_id, books[book_id]) for book_id in catalog.book_ids))


def read_loans_of(shelf: Shelf, data: bytes, notes: Notes) -> Loans:
    """Read the loans of a shelf's books in the order of the file. Adds to `notes`.

    Where all dates are the same they order nothing: then loans are put in an order drawn by lot,
    the same each time, so that what counts as newest does not follow from how a file is sorted.

    Raises:
        CsvFormatError: the file lacks a column, or no loan is left.
    """
    found: dict[tuple[str, str, float], float | None] = {}
    for row in _rows(Table.checkouts, data):
        reader, book_id = row["student_id"], row["book_id"]
        if not reader or not book_id:
            notes.add("loans without a student or a book, left out")
            continue
        if book_id not in shelf.catalog.rows:
            notes.add("loans of books that the catalogue does not have, left out", book_id)
            continue
        day = _day(row["checkout_date"])
        if day is None:
            notes.add("loans without a date like 2026-01-31, left out", row["checkout_date"])
            continue
        loan = (reader, book_id, day)
        if loan in found:
            notes.add("rows about a loan of an earlier row, which they replace")
        found[loan] = _rating(row.get("student_rating", ""), notes)
    if not found:
        said = "; ".join(notes.lines())
        raise CsvFormatError(f"checkouts: no loan is left{': ' if said else ''}{said}")
    loans, _ = number_loans(((*loan, rating) for loan, rating in found.items()), shelf.catalog)
    if loans.times.min() < loans.times.max():
        return loans
    notes.add("file whose loans are all of one day: their order is drawn by lot")
    order = np.random.default_rng(0).permutation(len(loans))
    return make_loans(
        loans.students[order],
        loans.books[order],
        loans.times[order],
        loans.ratings[order],
        shape=loans.shape,
    )


def _rows(table: Table, data: bytes) -> Iterator[dict[str, str]]:
    """Yield rows by column, cells stripped; bytes that are not UTF-8 survive as surrogates."""
    text = data.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "surrogateescape")
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [name.strip().casefold() for name in next(reader, [])]
        for name in NEEDED[table]:
            if name not in header:
                there = ", ".join(header).encode("utf-8", "replace").decode() or "nothing"
                raise CsvFormatError(f"{table}: the column {name!r} is missing; there is: {there}")
        for cells in reader:
            if cells:
                row = dict.fromkeys(header, "")
                yield row | {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
    except csv.Error as error:
        line = reader.line_num
        raise CsvFormatError(f"{table}: line {line} cannot be read: {error}") from None


def _cell(name: str, text: str, notes: Notes) -> Cell:
    try:
        return COLUMNS[Table.catalog][name](text)
    except ValueError:
        notes.add(f"cells of {name} that cannot be read, taken for unknown", text)
        return None


def _book(book_id: str, cells: Mapping[str, Cell]) -> Book:
    level, number = cells.get("reading_level"), cells.get("series_number")
    band = BAND_LEVELS.get(_line(cells, "difficulty_band") or "")
    return Book(
        book_id,
        author=_line(cells, "author"),
        level=level if isinstance(level, float) else band,
        genres=_tags(cells, "genre"),
        language=_line(cells, "language"),
        series=_line(cells, "series"),
        series_number=number if isinstance(number, float) else None,
    )


def _text(book_id: str, cells: Mapping[str, Cell]) -> str:
    """Render the text of a book as the product does."""
    text = render_book(
        BookRow(
            book_id,
            _line(cells, "title") or "",
            _line(cells, "author"),
            _line(cells, "series"),
            _tags(cells, "genre"),
            _tags(cells, "keywords"),
            _line(cells, "description"),
            _line(cells, "difficulty_band"),
            None,
        )
    )
    return text.encode("utf-8", "replace").decode()


def _line(cells: Mapping[str, Cell], name: str) -> str | None:
    value = cells.get(name)
    return value if isinstance(value, str) else None


def _tags(cells: Mapping[str, Cell], name: str) -> list[str]:
    value = cells.get(name)
    return value if isinstance(value, list) else []


def _day(text: str) -> float | None:
    """Read a date or a time of ISO 8601 as days since 1970; None if it is neither.

    >>> _day("1970-01-02"), _day("1970-01-02 12:00:00"), _day("1970-01-02T01:00+01:00")
    (1.0, 1.5, 1.0)
    >>> _day("2/1/1970")
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return (moment - EPOCH) / timedelta(days=1)


def _rating(text: str, notes: Notes) -> float | None:
    """Read a rating from 1 to 5; blank and 0 are none."""
    if text in ("", "0", "0.0"):
        return None
    try:
        rating = float(text)
    except ValueError:
        rating = float("nan")
    if MIN_RATING <= rating <= MAX_RATING:
        return rating
    notes.add("ratings that are not from 1 to 5, taken for none", text)
    return None
