"""`python -m workers.books.evaluate`: figures on a library's own loans.

The library is that of CSV files as the import takes them; nothing is stored.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workers.books.catalog import Book, build_catalog, days_since_1970
from workers.books.evaluation import Library, evaluate
from workers.books.loans import Loans, make_loans
from workers.books.quality_table import quality_table
from workers.books.vectors import BookRow, render_book
from workers.core.errors import CsvFormatError
from workers.core.logs import configure_logging
from workers.core.settings import settings
from workers.embedding.embedders import embedder
from workers.ingest.csv_import import read_events
from workers.ingest.csv_tables import Table
from workers.ingest.events import BookChanged, CheckoutAdded

EMBED_AT_ONCE = 50

Floats = npt.NDArray[np.float32]


def main() -> int:
    """Print the table of figures for two CSV files; 2 if one cannot be read."""
    parser = argparse.ArgumentParser(description="Evaluate recommendations on loans of CSV files.")
    parser.add_argument("catalog", type=Path, help="books, as the import takes them")
    parser.add_argument("checkouts", type=Path, help="loans, as the import takes them")
    arguments = parser.parse_args()
    configure_logging(sys.stderr)
    try:
        books = read_books(arguments.catalog.read_bytes())
        report = evaluate(*read_library(books, arguments.checkouts.read_bytes()))
    except (CsvFormatError, OSError) as error:
        print(f"{error}", file=sys.stderr)  # noqa: T201  # a command's answer
        return 2
    print("\n".join(quality_table(report)))  # noqa: T201  # as above
    return 0


def read_books(data: bytes) -> dict[str, BookChanged]:
    """Read the books of a file by id; rows that an import would refuse are left out."""
    events = read_events(Table.catalog, data)
    return {event.book_id: event for event in events if isinstance(event, BookChanged)}


def read_library(books: dict[str, BookChanged], checkouts: bytes) -> tuple[Loans, Library]:
    """Lay books and the loans of a file out as an evaluation takes them.

    Loans of books that the catalogue does not have are left out.
    """
    catalog = build_catalog(
        Book(
            book.book_id,
            author=book.author,
            level=book.reading_level,
            genres=book.genre,
            language=book.language,
            series=book.series,
            series_number=book.series_number,
        )
        for book in books.values()
    )
    loans = [
        event
        for event in read_events(Table.checkouts, checkouts)
        if isinstance(event, CheckoutAdded) and event.book_id in catalog.rows
    ]
    number = {name: place for place, name in enumerate(sorted({each.student_id for each in loans}))}
    return (
        make_loans(
            [number[each.student_id] for each in loans],
            [catalog.rows[each.book_id] for each in loans],
            [days_since_1970(each.checkout_date) for each in loans],
            [np.nan if each.student_rating is None else each.student_rating for each in loans],
            shape=(len(number), len(catalog)),
        ),
        Library(catalog, _vectors([books[book_id] for book_id in catalog.book_ids])),
    )


def _vectors(books: list[BookChanged]) -> Floats:
    """Embed books as the product does: unit rows, zeros for a text that says nothing."""
    texts = [
        render_book(
            BookRow(
                book.book_id,
                book.title,
                book.author,
                book.series,
                book.genre,
                book.keywords,
                book.description,
                book.difficulty_band,
                None,
            )
        )
        for book in books
    ]
    chosen = embedder(settings().student_embedding)
    blocks = [
        chosen.embed_batch(texts[start : start + EMBED_AT_ONCE])
        for start in range(0, len(texts), EMBED_AT_ONCE)
    ]
    vectors = np.concatenate(blocks).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors


if __name__ == "__main__":
    sys.exit(main())
