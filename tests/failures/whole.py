"""What holds at every moment, whatever dies: no vector and no neighbour list is half written.

A list may lag behind its student; that is what the ledger says. But of students whose neighbours
are fresh, each is in the list of each other one, or is no more similar than the last of that list.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.rows import class_row

from tests.embeddings_server import vector_of
from workers.core.settings import settings

VECTORS = """
    SELECT student_id, model, dimensions, content_hash, text, vec::real[] AS vector
    FROM student_embeddings LEFT JOIN student_profiles USING (student_id) ORDER BY student_id"""
EDGES = "SELECT a, b, sim FROM student_similarity"
LEDGER = """
    SELECT kind, key, wanted = done, dead_at IS NOT NULL,
           extract(epoch FROM now() - stale_since)::float8
    FROM freshness"""
ROUNDING = 1e-5


@dataclass(frozen=True)
class StoredVector:
    """A vector, and the text of the profile that was stored with it."""

    student_id: str
    model: str
    dimensions: int
    content_hash: bytes
    text: str | None
    vector: list[float]


@dataclass(frozen=True)
class Snapshot:
    """Everything derived at one moment; `settled` are the students whose lists are up to date.

    `stale_s` has the age of each stale key in seconds, by kind and key; `dead` are those that were
    given up.
    """

    vectors: Mapping[str, StoredVector]
    lists: Mapping[str, Mapping[str, float]]
    settled: frozenset[str]
    stale_s: Mapping[tuple[str, str], float]
    dead: frozenset[tuple[str, str]]


def take_snapshot(conn: psycopg.Connection) -> Snapshot:
    """One moment as Postgres shows it; the connection is in autocommit mode."""
    with conn.transaction():
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        vectors = conn.cursor(row_factory=class_row(StoredVector)).execute(VECTORS).fetchall()
        edges = conn.execute(EDGES).fetchall()
        ledger = conn.execute(LEDGER).fetchall()
    lists: dict[str, dict[str, float]] = {}
    for a, b, sim in edges:
        lists.setdefault(a, {})[b] = sim
    return Snapshot(
        vectors={row.student_id: row for row in vectors},
        lists=lists,
        settled=frozenset(
            key for kind, key, fresh, _, _ in ledger if kind == "student_neighbors" and fresh
        ),
        stale_s={(kind, key): age_s for kind, key, fresh, _, age_s in ledger if not fresh},
        dead=frozenset((kind, key) for kind, key, _, dead, _ in ledger if dead),
    )


def half_written(snapshot: Snapshot) -> list[str]:
    """What is wrong with a snapshot; for vectors of tests/embeddings_server.py."""
    return [*_wrong_vectors(snapshot), *_wrong_lists(snapshot)]


def _wrong_vectors(snapshot: Snapshot) -> list[str]:
    wrong = []
    for student_id, row in snapshot.vectors.items():
        digest = hashlib.sha256(f"{row.model}\0{row.dimensions}\0{row.text}".encode()).digest()
        if row.text is None or digest != row.content_hash:
            wrong.append(f"{student_id!r}: the profile's text is not that of the vector")
        elif not np.array_equal(
            np.array(row.vector, np.float32), _right_vector(row.text, row.dimensions)
        ):
            wrong.append(f"{student_id!r}: the vector is not that of its text")
    return wrong


@lru_cache(maxsize=20_000)
def _right_vector(text: str, dimensions: int) -> NDArray[np.float32]:
    return vector_of(text, dimensions)


def _wrong_lists(snapshot: Snapshot) -> list[str]:
    threshold, least = settings().similarity_threshold, settings().min_members
    strays = {b for found in snapshot.lists.values() for b in found} - snapshot.vectors.keys()
    wrong = [f"{b!r} is in lists and has no vector" for b in strays]
    ids = sorted(snapshot.settled & snapshot.vectors.keys())
    if not ids:
        return wrong
    place = {student_id: n for n, student_id in enumerate(ids)}
    matrix = np.array([snapshot.vectors[student_id].vector for student_id in ids], np.float64)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    # Not by BLAS: a thread of its product hangs if another thread starts a process meanwhile.
    for a, sims in zip(ids, np.einsum("ik,jk->ij", matrix, matrix), strict=True):
        stored = snapshot.lists.get(a, {})
        inside = [place[b] for b in stored if b in place]
        outside = np.ones(len(ids), bool)
        outside[[place[a], *inside]] = False
        if a in stored:
            wrong.append(f"{a!r} is in its own list")
        expected = min(least, int((sims > threshold + ROUNDING).sum()) - 1)
        if len(stored) < expected:
            wrong.append(f"{a!r}: {len(stored)} in the list, where there should be {expected}")
        bound = max([threshold, min(stored.values(), default=threshold)]) + ROUNDING
        if (missing := int((sims[outside] > bound).sum())) > 0:
            wrong.append(f"{a!r}: {missing} are more similar than the last of the list")
        off = {
            b: (sim, float(sims[place[b]]))
            for b, sim in stored.items()
            if b in place and abs(sims[place[b]] - sim) > ROUNDING
        }
        if off:
            back = {b: snapshot.lists.get(b, {}).get(a) for b in off}
            wrong.append(f"{a!r}: stored and right similarities differ: {off}; reverse: {back}")
    return wrong
