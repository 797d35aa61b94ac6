"""Versions of the recommendation model: stored whole, then read by a pointer, and rolled back.

Readers load the model that the pointer names, so a switch changes all of an answer at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from workers.books.book_weights import BookWeights
from workers.core.errors import UnknownKeyError, VersionStateError
from workers.core.queries import query
from workers.core.stores import connection, transaction

BEGIN = query("books/model_store.begin_model")
FORGET_WEIGHTS = query("books/model_store.forget_weights")
INSERT_PART = query("books/model_store.insert_part")
FINISH = query("books/model_store.finish_model")
ACTIVATE = query("books/model_store.activate")
ROLL_BACK = query("books/model_store.roll_back")
REMOVE_OLD = query("books/model_store.remove_old")
READ = query("books/model_store.read_model")
LIST = query("books/model_store.list_models")
READ_WEIGHTS = query("books/model_store.read_weights")

# Books whose weights make one row of the table: 0.8 MB with 100 weights each.
BOOKS_PER_PART = 1000
# Beside the model that is read and the one before it.
KEPT_MODELS = 2


@dataclass(frozen=True)
class Model:
    """A version of the recommendation model.

    `ridge` is λ of EASE, `half_life` is in loans; both were chosen on an earlier window of the
    library's own loans, `figures` says how. `ready_at` is None while the model is built.
    """

    model_id: int
    run_id: UUID
    begun_at: datetime
    ready_at: datetime | None
    ridge: float | None
    half_life: float | None
    students: int
    books: int
    loans: int
    figures: Mapping[str, object]
    active: bool
    activated_at: datetime | None


@dataclass(frozen=True)
class Solved:
    """What a run has made: weights by the model's own numbering of `book_ids`, and of what."""

    book_ids: Sequence[str]
    weights: BookWeights
    ridge: float
    half_life: float
    students: int
    loans: int
    figures: Mapping[str, object]


def store_model(run_id: UUID, solved: Solved) -> int:
    """Store a model beside the one that is read, in one transaction; returns its id."""
    with transaction() as conn:
        model_id = _begin(conn, run_id)
        conn.cursor().executemany(INSERT_PART, list(_parts(model_id, solved)))
        conn.execute(
            FINISH,
            {
                "model_id": model_id,
                "ridge": solved.ridge,
                "half_life": solved.half_life,
                "students": solved.students,
                "books": len(solved.book_ids),
                "loans": solved.loans,
                "figures": Jsonb(solved.figures),
            },
        )
    return model_id


def activate_model(model_id: int) -> None:
    """Let readers follow this model.

    Raises:
        UnknownKeyError: there is no such model.
        VersionStateError: the model is being built.
    """
    with transaction() as conn:
        if conn.execute(ACTIVATE, {"model_id": model_id}).fetchone() is None:
            model = _read(conn, model_id)
            if model.ready_at is None:
                raise VersionStateError("not_ready", f"model {model_id} is being built")
        conn.execute(REMOVE_OLD, {"kept": KEPT_MODELS})


def roll_back_model() -> int:
    """Let readers follow the model before the present one; returns its id.

    Raises:
        VersionStateError: there is none before.
    """
    with connection() as conn:
        row = conn.execute(ROLL_BACK).fetchone()
    if row is None:
        raise VersionStateError("nothing_before", "no model was read before this one")
    model_id: int = row[0]
    return model_id


def read_model(model_id: int) -> Model:
    """Read one model.

    Raises:
        UnknownKeyError: there is no such model.
    """
    with connection() as conn:
        return _read(conn, model_id)


def list_models() -> list[Model]:
    """List every model, the newest first."""
    with connection() as conn, conn.cursor(row_factory=class_row(Model)) as cursor:
        return cursor.execute(LIST).fetchall()


def read_weights(conn: psycopg.Connection, model_id: int) -> tuple[list[str], BookWeights] | None:
    """Read a model's books and their weights in its own numbering; None if it is gone."""
    book_ids: list[str] = []
    others, weights = [], []
    for ids, columns, values in conn.cursor(binary=True).execute(
        READ_WEIGHTS, {"model_id": model_id}
    ):
        book_ids += ids
        others.append(np.frombuffer(columns, "<i4").reshape(len(ids), -1))
        weights.append(np.frombuffer(values, "<f4").reshape(len(ids), -1))
    if not book_ids:
        return None
    return book_ids, BookWeights(
        np.concatenate(others).astype(np.int32), np.concatenate(weights).astype(np.float32)
    )


def _begin(conn: psycopg.Connection, run_id: UUID) -> int:
    row = conn.execute(BEGIN, {"run_id": run_id}).fetchone()
    assert row is not None  # noqa: S101  # an upsert returns its row
    conn.execute(FORGET_WEIGHTS, {"model_id": row[0]})
    model_id: int = row[0]
    return model_id


def _parts(model_id: int, solved: Solved) -> Iterator[dict[str, object]]:
    for part, start in enumerate(range(0, len(solved.book_ids), BOOKS_PER_PART)):
        rows = slice(start, start + BOOKS_PER_PART)
        yield {
            "model_id": model_id,
            "part": part,
            "book_ids": list(solved.book_ids[rows]),
            "others": solved.weights.books[rows].astype("<i4").tobytes(),
            "weights": solved.weights.values[rows].astype("<f4").tobytes(),
        }


def _read(conn: psycopg.Connection, model_id: int) -> Model:
    with conn.cursor(row_factory=class_row(Model)) as cursor:
        model = cursor.execute(READ, {"model_id": model_id}).fetchone()
    if model is None:
        raise UnknownKeyError("unknown_model", str(model_id))
    return model
