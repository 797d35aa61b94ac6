"""Lists as people have them: exports of Goodreads, StoryGraph and LibraryThing, tables, lines."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from workers.core.errors import ReadingListError
from workers.readers.listed import MAX_BYTES, MAX_ROWS, MAX_TEXT, ListedBook, isbn_core

# What columns are called, in lower case; of several the first that holds something counts.
TITLE = ("title",)
AUTHOR = ("author", "authors", "primary author")
ISBN = ("isbn13", "isbn", "isbn/uid", "isbns")
RATING = ("my rating", "star rating", "rating")
STATE = ("exclusive shelf", "read status")
READ_ON = ("date read", "last date read")
BOOK_ID = ("book_id",)

# Shelves of what was not read yet, and of what somebody gave up.
UNREAD = frozenset({"to-read", "to read", "want to read", "wishlist"})
GIVEN_UP = frozenset({"did-not-finish", "dnf", "abandoned"})
# A book that was given up says as little of what else somebody wants as one that was rated low.
GIVEN_UP_RATING = 2

DELIMITERS = "\t,;"
# Characters of a cell or line that are looked at: expressions take the square of what they search.
MAX_CELL = 4 * MAX_TEXT
# The series that Goodreads and LibraryThing write behind a title, as in "(Dune, #1)".
SERIES = re.compile(r"\s*[(\[][^()\[\]]*(#|\bbook\b|\bvol)[^()\[\]]*[)\]]\s*$", re.IGNORECASE)
BULLET = re.compile(r"^\s*(?:[-*\u2022\u2013]|\(?\d{1,4}[.)])\s+")
# What may stand between title and author in a line.
BETWEEN = re.compile(r"\t+|\s+by\s+|\s+[-\u2013\u2014/|]\s+|,\s+", re.IGNORECASE)


def read_list(data: bytes) -> list[ListedBook]:
    """Read a list, what was read last first; a list without dates stays in its order.

    Raises:
        ReadingListError: it is larger than lists may be, no text, or has no title in it.
    """
    if len(data) > MAX_BYTES:
        raise ReadingListError(f"a list has at most {MAX_BYTES // 1024 // 1024} MB")
    text = _decode(data)
    delimiter = _delimiter(text)
    books = list(_lines(text)) if delimiter is None else _table(text, delimiter)
    if not books:
        raise ReadingListError("there is no title in this list")
    return books


def _decode(data: bytes) -> str:
    """Read text as programs write it: UTF-8, UTF-16 with its mark, or as Windows did."""
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise ReadingListError("this is no text: a list is text, CSV or TSV")


def _delimiter(text: str) -> str | None:
    """Find what stands between the cells of a table with a header; None for plain lines."""
    first = text.lstrip().partition("\n")[0]
    for delimiter in DELIMITERS:
        names = [_name(cell) for cell in first.split(delimiter)]
        if len(names) > 1 and any(name in names for name in TITLE):
            return delimiter
    return None


def _table(text: str, delimiter: str) -> list[ListedBook]:
    # LibraryThing's cells between tabs may begin with a quote that nothing ends.
    lines = io.StringIO(text.lstrip(), newline="")
    if delimiter == "\t":
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(lines, delimiter=delimiter)
    try:
        header = [_name(cell) for cell in next(reader)]
        rows = [dict(zip(header, _cut(cells), strict=False)) for cells in _bounded(reader)]
    except csv.Error as error:
        raise ReadingListError(f"line {reader.line_num} cannot be read: {error}") from None
    read = [row for row in rows if not _is_unread(row)]
    # ISO dates, whatever stands between their parts, are in order as text; sorted() is stable.
    read.sort(key=lambda row: _first(row, READ_ON).replace("/", "-"), reverse=True)
    return [book for row in read if (book := _of_row(row)) is not None]


def _bounded(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    """Pass rows on that hold something, while there are not too many."""
    count = 0
    for row in rows:
        if any(cell.strip() for cell in row):
            count += 1
            if count > MAX_ROWS:
                raise ReadingListError(f"a list has at most {MAX_ROWS:,} books")
            yield row


def _cut(cells: Iterable[str]) -> list[str]:
    return [cell.strip()[:MAX_CELL] for cell in cells]


def _is_unread(row: Mapping[str, str]) -> bool:
    """Say whether a book is only wanted; LibraryThing keeps such ones in collections."""
    if _first(row, STATE).lower() in UNREAD:
        return True
    collections = {_name(part) for part in row.get("collections", "").split(",")}
    return bool(collections & UNREAD) and not _first(row, READ_ON)


def _of_row(row: Mapping[str, str]) -> ListedBook | None:
    title = _clean(SERIES.sub("", _first(row, TITLE)))
    if not title:
        return None
    isbns = (row.get(name, "") for name in ISBN)
    isbn = next((core for text in isbns if (core := _isbn(text))), None)
    return ListedBook(
        title=title,
        author=_clean(_first(row, AUTHOR)) or None,
        isbn=isbn,
        rating=_rating(row),
        book_id=_clean(_first(row, BOOK_ID)) or None,
    )


def _lines(text: str) -> Iterator[ListedBook]:
    for cells in _bounded([line] for line in text.splitlines()):
        (line,) = _cut(cells)
        line = _clean(SERIES.sub("", BULLET.sub("", line)))
        if not line:
            continue
        isbn = isbn_core(line) if re.fullmatch(r"[0-9xX -]{10,17}", line) else None
        yield ListedBook(line, isbn=isbn, spellings=tuple(_spellings(line)))


def _spellings(line: str) -> Iterator[tuple[str, str | None]]:
    """Read a line as a title, and as title and author for each place where one may end.

    >>> list(_spellings("Stand by Me"))
    [('Stand by Me', None), ('Stand', 'Me')]
    """
    yield line, None
    for between in list(BETWEEN.finditer(line))[::-1][:3]:
        title, author = line[: between.start()].strip(), line[between.end() :].strip()
        if title and author:
            yield title, author


def _rating(row: Mapping[str, str]) -> int | None:
    """Read stars of any fraction as 1 to 5; 0 is how exports write none."""
    try:
        stars = float(_first(row, RATING).replace(",", "."))
    except ValueError:
        stars = 0.0
    if not 0 < stars <= 5:
        given_up = _first(row, STATE).lower() in GIVEN_UP
        return GIVEN_UP_RATING if given_up else None
    return max(1, int(stars + 0.5))


def _isbn(text: str) -> str | None:
    """Read the first ISBN of a cell, as in `="0439023483"` and `[0439023483]`."""
    parts = re.findall("[0-9Xx-]{10,17}", text)
    return next((core for part in parts if (core := isbn_core(part))), None)


def _first(row: Mapping[str, str], names: Sequence[str]) -> str:
    return next((text for name in names if (text := (row.get(name) or "").strip())), "")


def _name(cell: str) -> str:
    return cell.strip().strip('"').strip().lower()


def _clean(text: str) -> str:
    """Write text on one line, without control characters, and not longer than a title is."""
    kept = "".join(sign if sign.isprintable() else " " for sign in text)
    kept = " ".join(kept.split())[:MAX_TEXT].strip()
    return kept[1:-1].strip() if kept[:1] == kept[-1:] == '"' else kept
