"""Words of a chat model that are kept: found again by a hash of everything that decides them."""

from collections.abc import Mapping, Sequence

import psycopg
from psycopg.rows import class_row

from workers.books.word_facts import BookFacts
from workers.books.word_prompt import Words
from workers.core.queries import query
from workers.core.stores import transaction

READ_FACTS = query("books/word_store.read_facts")
READ_WORDS = query("books/word_store.read_words")
STORE_WORDS = query("books/word_store.store_words")


def read_book_facts(conn: psycopg.Connection, book_ids: Sequence[str]) -> dict[str, BookFacts]:
    """Read what is known of books, by id; deleted ones are missing."""
    with conn.cursor(row_factory=class_row(BookFacts)) as cursor:
        rows = cursor.execute(READ_FACTS, {"book_ids": list(book_ids)}).fetchall()
    return {book.book_id: book for book in rows}


def read_kept(conn: psycopg.Connection, keys: Sequence[bytes]) -> dict[bytes, Words | None]:
    """Read the words under keys; None under one whose words were refused lately."""
    return {
        key: None if reason is None else Words(reason, blurb)
        for key, reason, blurb in conn.execute(READ_WORDS, {"keys": list(keys)})
    }


def keep_words(found: Mapping[bytes, tuple[str, Words | None]]) -> None:
    """Keep words by key, with the id of their book; None for words that were refused.

    Raises:
        psycopg.Error: Postgres failed.
    """
    rows = found.values()
    with transaction() as conn:
        conn.execute(
            STORE_WORDS,
            {
                "keys": list(found),
                "book_ids": [book_id for book_id, _ in rows],
                "reasons": [words and words.reason for _, words in rows],
                "blurbs": [words and words.blurb for _, words in rows],
            },
        )
