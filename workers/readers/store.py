"""Lists of readers as they are kept: under a secret code, of which only the hash is stored."""

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import psycopg

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection, transaction
from workers.readers.listed import ListedBook

INSERT_READER = query("readers/store.insert_reader")
FIND_READER = query("readers/store.find_reader")
LOCK_READER = query("readers/store.lock_reader")
READ_BOOKS = query("readers/store.read_books")
READ_VERDICTS = query("readers/store.read_verdicts")
DELETE_BOOKS = query("readers/store.delete_books")
INSERT_BOOKS = query("readers/store.insert_books")
STORE_VERDICT = query("readers/store.store_verdict")
STORE_ELSEWHERE = query("readers/store.store_elsewhere")
DELETE_READER = query("readers/store.delete_reader")
DELETE_UNUSED = query("readers/store.delete_unused")

# 160 bits, which are 32 letters and digits.
CODE_BYTES = 20
CODE_LENGTH = 32
# A list that was not opened for so long is deleted.
KEPT_DAYS = 30


@dataclass(frozen=True)
class Reader:
    """A list as it is kept: its books in order, and verdicts on recommended books, by id.

    `elsewhere` (d,) says what the titles are about that the catalogue lacks; `elsewhere_of` is a
    hash of what it was made from, None before it was. `reader_id` is None for a list that is not
    kept.
    """

    books: Sequence[ListedBook]
    verdicts: Mapping[str, str]
    reader_id: int | None = None
    elsewhere: npt.NDArray[np.float32] | None = None
    elsewhere_of: bytes | None = None


def new_code() -> str:
    """Make a code that nobody can guess."""
    return base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode().lower()


def plain_code(given: str) -> str:
    """Undo how people write a code: in capitals, with blanks or hyphens between its parts.

    >>> plain_code(" AB12-cd34 ")
    'ab12cd34'
    """
    return re.sub(r"[\s-]", "", given).lower()


def keep_reader(reader: Reader) -> str:
    """Keep a list and its verdicts, and return the code, which nothing else will ever tell."""
    code = new_code()
    with transaction() as conn:
        conn.execute(INSERT_READER, {"code_hash": _hash(code)})
        reader_id = _lock(conn, code)
        _write(conn, reader_id, reader.books)
        for book_id, verdict in reader.verdicts.items():
            said = {"reader_id": reader_id, "book_id": book_id, "verdict": verdict}
            conn.execute(STORE_VERDICT, said)
    return code


def replace_books(code: str, books: Sequence[ListedBook]) -> None:
    """Put a list in the place of the one that was there; verdicts stay.

    Raises:
        UnknownKeyError: there is no list of this code.
    """
    with transaction() as conn:
        _write(conn, _lock(conn, code), books)


def read_reader(code: str) -> Reader:
    """Read a list, which counts as its use.

    Raises:
        UnknownKeyError: there is no list of this code.
    """
    with connection() as conn:
        found = conn.cursor(binary=True).execute(FIND_READER, _key(code)).fetchone()
        if found is None:
            raise _unknown()
        reader_id, vector, made_of = found
        asked = {"reader_id": reader_id}
        books = [
            ListedBook(title, author, isbn, rating, book_id)
            for title, author, isbn, rating, book_id in conn.execute(READ_BOOKS, asked)
        ]
        verdicts = dict(conn.execute(READ_VERDICTS, asked).fetchall())
    elsewhere = None if vector is None else vector.to_numpy().astype(np.float32)
    return Reader(books, verdicts, reader_id, elsewhere, made_of)


def say_verdict(code: str, book_id: str, verdict: str) -> None:
    """Keep what a reader says of a book, liked or disliked.

    Raises:
        UnknownKeyError: there is no list of this code, or no such book.
    """
    with transaction() as conn:
        said = {"reader_id": _lock(conn, code), "book_id": book_id, "verdict": verdict}
        if not conn.execute(STORE_VERDICT, said).rowcount:
            raise UnknownKeyError("unknown_book", book_id)


def keep_elsewhere(reader_id: int, vector: npt.NDArray[np.float32], made_of: bytes) -> None:
    """Keep what a list's other titles are about, until they are others."""
    with connection() as conn:
        conn.execute(STORE_ELSEWHERE, {"reader_id": reader_id, "vec": vector, "made_of": made_of})


def delete_reader(code: str) -> None:
    """Delete a list with everything that belongs to it.

    Raises:
        UnknownKeyError: there is no list of this code.
    """
    with connection() as conn:
        if not conn.execute(DELETE_READER, {"code_hash": _hash(code)}).rowcount:
            raise _unknown()


def forget_unused() -> int:
    """Delete the lists that were not opened for thirty days; returns how many."""
    with connection() as conn:
        return conn.execute(DELETE_UNUSED, {"days": KEPT_DAYS}).rowcount


def _write(conn: psycopg.Connection, reader_id: int, books: Sequence[ListedBook]) -> None:
    conn.execute(DELETE_BOOKS, {"reader_id": reader_id})
    conn.execute(
        INSERT_BOOKS,
        {
            "reader_id": reader_id,
            "titles": [book.title for book in books],
            "authors": [book.author for book in books],
            "isbns": [book.isbn for book in books],
            "ratings": [book.rating for book in books],
            "book_ids": [book.book_id for book in books],
        },
    )


def _lock(conn: psycopg.Connection, code: str) -> int:
    row = conn.execute(LOCK_READER, _key(code)).fetchone()
    if row is None:
        raise _unknown()
    reader_id: int = row[0]
    return reader_id


def _key(code: str) -> dict[str, object]:
    return {"code_hash": _hash(code), "days": KEPT_DAYS}


def _hash(code: str) -> bytes:
    """Hash a code. It is too random to be guessed from its hash, so no salt or stretching helps."""
    return hashlib.sha256(plain_code(code).encode()).digest()


def _unknown() -> UnknownKeyError:
    # The code is a secret: it stands in no answer and in no log line.
    return UnknownKeyError("unknown_reader", "there is no list of this code")
