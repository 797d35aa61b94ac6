"""A small library of known titles, and lists of what somebody has read of it."""

from collections.abc import Sequence
from pathlib import Path

from tests.work_off import work_off
from workers.core.vocabulary import Kind
from workers.ingest.csv_import import import_csv
from workers.ingest.csv_tables import Table
from workers.readers.listed import ListedBook

SAMPLE = Path(__file__).parents[1] / "sample" / "catalog.csv"
BOOKS = 120
# Fifteen as they are called, and five with typing errors.
TWENTY = """\
The Hobbit
Prince Caspian by C. S. Lewis
the voyage of the dawn treader
Northern Lights
Momo
The Neverending Story
The Phantom Tollbooth
Half Magic, Edward Eager
Alice's Adventures in Wonderland
Mary Poppins
Tuck Everlasting
The Little Prince
Krabat
Eragon
Sabriel
Harry Poter and the Chamber of Secrets
The Lightening Thief
A Wizzard of Earthsea
Howls Moving Casle
The Tale of Desperaux by Kate diCamillo
"""
MISSPELT = {
    "Harry Potter and the Chamber of Secrets",
    "The Lightning Thief",
    "A Wizard of Earthsea",
    "Howl's Moving Castle",
    "The Tale of Despereaux",
}


def open_library(books: int = BOOKS) -> None:
    """The first books of the sample library, with their vectors."""
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    report = import_csv(Table.catalog, b"".join(lines[: books + 1]))
    assert report.failed == 0
    work_off(each for each in report.notifications if each.kind is Kind.book_embedding)


def of(books: Sequence[ListedBook]) -> list[tuple[str, str | None, int | None]]:
    """Title, author and rating of each."""
    return [(book.title, book.author, book.rating) for book in books]
