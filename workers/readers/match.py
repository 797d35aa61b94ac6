"""Match a reader's list with the catalogue: by ISBN, by title and author, then with errors."""

from collections.abc import Sequence
from dataclasses import replace

import psycopg

from workers.core.queries import query
from workers.core.stores import connection
from workers.readers.listed import ListedBook
from workers.readers.shelf import Shelf, find_alike, find_exact

FIND_ISBNS = query("readers/match.find_isbns")
FIND_IDS = query("readers/match.find_ids")

# Entries that are compared with every title: those that were read last. So many take 90 ms of CPU
# among 10,000 titles, and ten times that among 100,000.
MAX_ALIKE = 300


def match_books(shelf: Shelf, listed: Sequence[ListedBook]) -> list[ListedBook]:
    """Say of each entry which book of the catalogue it is; `book_id` is None where none is found.

    An entry whose book another one has named before is left out.
    """
    with connection() as conn:
        found = _known_ids(conn, listed)
        isbns = _by_isbn(conn, [book.isbn for book in listed if book.isbn])
    for place, book in enumerate(listed):
        found[place] = (
            found[place]
            or (isbns.get(book.isbn) if book.isbn else None)
            or find_exact(shelf, book.readings)
        )
    rest = [place for place in range(len(listed)) if found[place] is None][:MAX_ALIKE]
    alike = find_alike(shelf, [listed[place].readings for place in rest])
    for place, book_id in zip(rest, alike, strict=True):
        found[place] = book_id
    seen: set[str] = set()
    matched = []
    for book, book_id in zip(listed, found, strict=True):
        if book_id is None or book_id not in seen:
            matched.append(replace(book, book_id=book_id))
        if book_id is not None:
            seen.add(book_id)
    return matched


def _known_ids(conn: psycopg.Connection, listed: Sequence[ListedBook]) -> list[str | None]:
    """Keep the ids that a list brings along and that the catalogue has."""
    given = [book.book_id for book in listed if book.book_id is not None]
    known = {key for (key,) in conn.execute(FIND_IDS, {"book_ids": given})} if given else set()
    return [book.book_id if book.book_id in known else None for book in listed]


def _by_isbn(conn: psycopg.Connection, isbns: Sequence[str]) -> dict[str, str]:
    if not isbns:
        return {}
    return dict(conn.execute(FIND_ISBNS, {"isbns": list(isbns)}).fetchall())
