"""The catalogue as arrays: one row per book, what scoring and filters look at in one pass."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

UNKNOWN = -1


@dataclass(frozen=True)
class Book:
    """What a catalogue says of a book as far as recommending needs it; `level` in grades."""

    book_id: str
    author: str | None = None
    level: float | None = None
    genres: Sequence[str] = ()
    language: str | None = None
    series: str | None = None
    series_number: float | None = None
    copies_available: int | None = None
    added: date | None = None


@dataclass(frozen=True)
class Volumes:
    """Numbered books in the order of series and number; editions of a volume stand side by side.

    `rows` (m,) are books, `first` (v + 1,) where each of v volumes begins in `rows` and where the
    last ends, `goes_on` (v - 1,) says that a volume and the one after it are of the same series.
    """

    rows: Ints
    first: Ints
    goes_on: Flags


@dataclass(frozen=True)
class Catalog:
    """Books as arrays of n rows, ascending by id, so that the same books give the same rows.

    `level` in grades and `series_number` are NaN where unknown; `author`, `series`, `language`
    (codes), `copies_available` and `added` (days since 1970) are -1. `genres` (n, g) says which of
    `genre_names` a book has. `volumes` orders the numbered ones by series.
    Names are folded: "Fantasy " is "fantasy".
    """

    book_ids: tuple[str, ...]
    rows: Mapping[str, int]
    level: Floats
    author: Ints
    genres: Flags
    genre_names: tuple[str, ...]
    language: Ints
    language_names: tuple[str, ...]
    series: Ints
    series_number: Floats
    volumes: Volumes
    copies_available: Ints
    added: Ints

    def __len__(self) -> int:
        return len(self.book_ids)

    def rows_of(self, book_ids: Iterable[str]) -> Ints:
        """Find the rows of books; ids that the catalogue does not know are left out."""
        known = (self.rows.get(book_id) for book_id in book_ids)
        return np.array([row for row in known if row is not None], np.int32)


def build_catalog(books: Iterable[Book]) -> Catalog:
    """Lay books out as arrays. Ids must be distinct."""
    ordered = sorted(books, key=lambda book: book.book_id)
    book_ids = tuple(book.book_id for book in ordered)
    rows = {book_id: row for row, book_id in enumerate(book_ids)}
    if len(rows) < len(book_ids):
        raise ValueError("a catalogue names a book twice")
    author, _ = _codes(book.author for book in ordered)
    series, _ = _codes(book.series for book in ordered)
    language, language_names = _codes(book.language for book in ordered)
    genre_names = tuple(sorted({fold(name) for book in ordered for name in book.genres}))
    column = {name: place for place, name in enumerate(genre_names)}
    genres = np.zeros((len(ordered), len(genre_names)), np.bool_)
    for row, book in enumerate(ordered):
        genres[row, [column[fold(name)] for name in book.genres]] = True
    series_number = _floats(book.series_number for book in ordered)
    return Catalog(
        book_ids=book_ids,
        rows=rows,
        level=_floats(book.level for book in ordered),
        author=author,
        genres=genres,
        genre_names=genre_names,
        language=language,
        language_names=language_names,
        series=series,
        series_number=series_number,
        volumes=_volumes(series, series_number),
        copies_available=_ints(book.copies_available for book in ordered),
        added=_ints(days_since_1970(book.added) if book.added else None for book in ordered),
    )


def fold(name: str) -> str:
    """Make names that people write differently the same.

    >>> fold(" Science  Fiction ")
    'science fiction'
    """
    return " ".join(name.casefold().split())


def days_since_1970(day: date) -> int:
    """Count days as NumPy's `datetime64[D]` does.

    >>> days_since_1970(date(1970, 1, 3))
    2
    """
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _volumes(series: Ints, series_number: Floats) -> Volumes:
    order = np.lexsort((series_number, series)).astype(np.int32)
    rows = order[((series != UNKNOWN) & ~np.isnan(series_number))[order]]
    of_series, number = series[rows], series_number[rows]
    begins = np.append(True, (np.diff(of_series) != 0) | (np.diff(number) != 0))[: len(rows)]
    first = np.append(np.flatnonzero(begins), len(rows)).astype(np.int32)
    of_volume = of_series[first[:-1]]
    return Volumes(rows, first, of_volume[:-1] == of_volume[1:])


def _codes(names: Iterable[str | None]) -> tuple[Ints, tuple[str, ...]]:
    folded = [fold(name) if name else "" for name in names]
    distinct = tuple(sorted(set(folded) - {""}))
    code = {name: place for place, name in enumerate(distinct)} | {"": UNKNOWN}
    return np.array([code[name] for name in folded], np.int32), distinct


def _floats(values: Iterable[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float32)


def _ints(values: Iterable[int | None]) -> Ints:
    return np.array([UNKNOWN if value is None else value for value in values], np.int32)
