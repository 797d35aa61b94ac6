"""Everything that is known of one key, for whoever asks why it is not fresh."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import redis
from psycopg.rows import class_row

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.documents.failures import FailedDocument
from workers.documents.read import StoredVector, read_vector
from workers.ingest.read_event import Chain, read_event
from workers.students.read import Neighbor, Student, read_neighbors, read_student
from workers.users.read import SimilarUser, find_similar

T = TypeVar("T")

READ_LEDGER = query("operations/read_key.read_ledger")
LIST_EVENTS = query("operations/read_key.list_events")
READ_VECTORS = query("operations/read_key.read_vectors")
READ_USER = query("operations/read_key.read_user")
READ_BOOK = query("operations/read_key.read_book")
READ_POST = query("operations/read_key.read_post")
LIST_FAILURES = query("operations/read_key.list_failures")

SHOWN_EVENTS = 10
SIMILAR_USERS = 10


@dataclass(frozen=True)
class LedgerRow:
    """The ledger's row of a key; `not_before` is None for one that waits until it is called."""

    kind: Kind
    key: str
    wanted: int
    done: int
    stale_since: datetime | None
    not_before: datetime | None
    attempts: int
    last_event: UUID | None
    done_event: UUID | None
    done_at: datetime | None
    leased: bool | None
    leased_by: str | None
    error: str | None
    dead_at: datetime | None

    @property
    def state(self) -> str:
        """In a word: fresh, dead, running, retrying or stale."""
        if self.wanted == self.done:
            return "fresh"
        if self.dead_at is not None:
            return "dead"
        if self.leased:
            return "running"
        return "retrying" if self.error else "stale"


@dataclass(frozen=True)
class VectorFacts:
    """A stored vector; its norm is 1 for models that normalize."""

    kind: Kind
    model: str
    dimensions: int
    norm: float
    updated_at: datetime


@dataclass(frozen=True)
class UserFacts:
    """A user; `reason` is the code of why there is no vector."""

    created_at: datetime
    reason: str | None
    actions: int


@dataclass(frozen=True)
class BookFacts:
    """A book; a stub that only loans have named has neither title nor author."""

    title: str | None
    author: str | None
    description: str | None


@dataclass(frozen=True)
class PostFacts:
    """A post; a stub that only actions have named has neither text nor time."""

    text: str | None
    created_at: datetime | None


@dataclass(frozen=True)
class DocumentFacts:
    """A document as the feature store and the runs know it: a vector, or why there is none."""

    vector: StoredVector | None
    failures: list[FailedDocument]

    @property
    def norm(self) -> float | None:
        """Length of the vector as far as its codec kept it."""
        return None if self.vector is None else math.hypot(*self.vector.emb)


@dataclass(frozen=True)
class KeyFacts:
    """What an id stands for, which may be several things, and how fresh each is."""

    ledger: list[LedgerRow]
    vectors: Mapping[Kind, VectorFacts]
    student: Student | None
    neighbors: list[Neighbor]
    book: BookFacts | None
    user: UserFacts | None
    similar: list[SimilarUser]
    post: PostFacts | None
    document: DocumentFacts | None

    @property
    def names(self) -> list[str]:
        """Of which things this is the id."""
        found = {
            "student": self.student,
            "book": self.book,
            "user": self.user,
            "post": self.post,
            "document": self.document,
        }
        return [name for name, facts in found.items() if facts is not None]


def read_key(key: str) -> KeyFacts:
    """Read everything about a key but its events and attempts.

    Raises:
        UnknownKeyError: it is the id of nothing, and the ledger has never heard of it.
    """
    facts = KeyFacts(
        ledger=_rows(READ_LEDGER, LedgerRow, key),
        vectors={Kind(each.kind): each for each in _rows(READ_VECTORS, VectorFacts, key)},
        student=_unless_unknown(lambda: read_student(key)),
        neighbors=_unless_unknown(lambda: read_neighbors(key).neighbors) or [],
        book=next(iter(_rows(READ_BOOK, BookFacts, key)), None),
        user=next(iter(_rows(READ_USER, UserFacts, key)), None),
        similar=_unless_unknown(lambda: find_similar(key, SIMILAR_USERS)) or [],
        post=next(iter(_rows(READ_POST, PostFacts, key)), None),
        document=_read_document(key),
    )
    if not facts.ledger and not facts.names:
        raise UnknownKeyError("unknown_key", key)
    return facts


def read_last_events(key: str) -> list[Chain]:
    """Read the newest events about a key with what they led to."""
    with connection() as conn:
        found = conn.execute(
            LIST_EVENTS, {"kinds": list(Kind), "key": key, "limit": SHOWN_EVENTS}
        ).fetchall()
    return [read_event(event_id) for (event_id,) in found]


def _read_document(key: str) -> DocumentFacts | None:
    failures = _rows(LIST_FAILURES, FailedDocument, key)
    try:
        vector = _unless_unknown(lambda: read_vector(key))
    except redis.RedisError:
        # Students and users can be looked at without the feature store.
        vector = None
    return DocumentFacts(vector, failures) if vector or failures else None


def _rows(sql: str, row: type[T], key: str) -> list[T]:
    with connection() as conn, conn.cursor(row_factory=class_row(row)) as cursor:
        return cursor.execute(sql, {"kinds": list(Kind), "key": key}).fetchall()


def _unless_unknown(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except UnknownKeyError:
        return None
