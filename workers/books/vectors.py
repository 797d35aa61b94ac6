"""Books' vectors: what a catalogue says of a book as a text, embedded where it differs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.embedding.content_hash import content_hash
from workers.embedding.embed_keys import Embedded, embed_keys
from workers.ledger import freshness
from workers.ledger.attempt import Outcome, attempt
from workers.ledger.freshness import Batch, Notification

LOAD_BOOKS = query("books/vectors.load_books")
LOCK_BOOKS = query("books/vectors.lock_books")
STORE_EMBEDDING = query("books/vectors.store_embedding")
MARK_OUTDATED = query("books/vectors.mark_outdated")

SLICE = 5000


@dataclass(frozen=True)
class BookRow:
    """A book as far as its text needs it; `content_hash` is None without a vector."""

    book_id: str
    title: str
    author: str | None
    series: str | None
    genre: Sequence[str]
    keywords: Sequence[str]
    description: str | None
    difficulty_band: str | None
    content_hash: bytes | None


def render_book(book: BookRow) -> str:
    """Write what is embedded of a book: what it is about, never what anyone thought of it.

    Keywords stand twice: a local model takes the mean of all words, and names would outweigh what a
    book is about. Of a hundred books found by meaning in the sample 82 fit then, and 75 without
    (tests/books/searches_by_meaning.json).

    >>> render_book(BookRow("B1", "Emma", "Jane Austen", None, ["humor"], ["village"], None,
    ...                     "high_school", None))
    'Emma. Jane Austen. humor. village. village. high school.'
    """
    keywords = ", ".join(book.keywords)
    parts = (
        book.title,
        book.author,
        book.series,
        ", ".join(book.genre),
        keywords,
        keywords,
        book.description,
        (book.difficulty_band or "").replace("_", " "),
    )
    return " ".join(part if part[-1] in ".?!" else f"{part}." for part in parts if part)


def recompute_book(key: str) -> list[Notification]:
    """Bring the vectors of `key` and of other stale books up to date.

    One provider request per batch; books whose text is the same as before cost none.

    Returns:
        Messages for books that are stale again.
    """
    return attempt(Kind.book_embedding, key, recompute_batch) or []


def recompute_batch(batch: Batch) -> Outcome:
    """Work on one claimed batch; no connection is held across the provider's answer."""
    # Books are compared with students, so they are of one space.
    spec = settings().student_embedding
    parameters = {
        "keys": list(batch.claims),
        "model": spec.model,
        "dimensions": spec.dimensions,
    }
    with connection() as conn, conn.cursor(row_factory=class_row(BookRow)) as cursor:
        books = cursor.execute(LOAD_BOOKS, parameters).fetchall()
    texts = {book.book_id: render_book(book) for book in books}
    hashes = {key: content_hash(spec, text) for key, text in texts.items()}
    changed = [book.book_id for book in books if hashes[book.book_id] != book.content_hash]
    return _store(batch, hashes, embed_keys(spec, {key: texts[key] for key in changed}))


def _store(batch: Batch, hashes: Mapping[str, bytes], embedded: Embedded) -> Outcome:
    """Write vectors and mark done in one transaction, for the keys whose lease still holds."""
    spec = settings().student_embedding
    with transaction() as conn:
        conn.execute(LOCK_BOOKS, {"keys": list(embedded.vectors)})
        ours = freshness.confirm_lease(
            conn, batch, [key for key in batch.claims if key not in embedded.failed]
        )
        # A claimed book without a text has been deleted; its ledger row went with it, or goes as
        # soon as the deletion commits.
        ready = [key for key in ours if key in hashes]
        conn.cursor().executemany(
            STORE_EMBEDDING,
            [
                {
                    "book_id": key,
                    "model": spec.model,
                    "dimensions": spec.dimensions,
                    "content_hash": hashes[key],
                    "vec": embedded.vectors[key],
                    "last_event": batch.claims[key].last_event,
                }
                for key in ready
                if key in embedded.vectors
            ],
        )
        again = freshness.mark_done(conn, batch, ready)
    return Outcome(
        done=ready,
        failed=embedded.failed,
        notifications=freshness.notifications_of(Kind.book_embedding, again),
    )


def refresh_books() -> int:
    """Make the books stale whose vectors are missing or of another model; returns how many.

    The reconciler sends the work.
    """
    spec = settings().student_embedding
    after, total = "", 0
    while True:
        parameters = {
            "model": spec.model,
            "dimensions": spec.dimensions,
            "after": after,
            "most": SLICE,
        }
        with transaction() as conn:
            row = conn.execute(MARK_OUTDATED, parameters).fetchone()
        if row is None or row[0] is None:
            return total
        after, total = row[0], total + row[1]
