"""Students as vectors around centres of taste, and their way into the database."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.core.settings import settings
from workers.core.stores import transaction
from workers.core.vocabulary import Kind
from workers.ledger import freshness

Vectors = NDArray[np.float32]

STUDENTS_PER_TASTE = 100
# Cosine similarity within a taste is about 1 / (1 + SPREAD ** 2).
SPREAD = 0.6
CHANGES_TASTE = 0.1


@dataclass
class Population:
    """Students by row: ids, tastes, and vectors of length 1, shape (count, dimensions)."""

    rng: np.random.Generator
    ids: list[str]
    centres: Vectors
    tastes: NDArray[np.int64]
    vectors: Vectors

    @classmethod
    def drawn(cls, count: int, dimensions: int, seed: int = 0) -> "Population":
        """A population from a seed."""
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(max(count // STUDENTS_PER_TASTE, 4), dimensions))
        tastes = rng.integers(len(centres), size=count)
        drawn = cls(
            rng,
            [f"S{row:07}" for row in range(count)],
            centres.astype(np.float32),
            tastes,
            np.empty((count, dimensions), np.float32),
        )
        for start in range(0, count, 5000):
            rows = np.arange(start, min(start + 5000, count))
            drawn.vectors[rows] = drawn._around(rows)
        return drawn

    def move(self, rows: NDArray[np.int64]) -> None:
        """Draw students anew; one in ten around another taste."""
        self.vectors[rows] = self.drawn_anew(rows)

    def drawn_anew(self, rows: NDArray[np.int64]) -> Vectors:
        """Where `move` would put students; nobody has moved yet."""
        changes = self.rng.random(len(rows)) < CHANGES_TASTE
        self.tastes[rows[changes]] = self.rng.integers(len(self.centres), size=int(changes.sum()))
        return self._around(rows)

    def choose(self, count: int) -> NDArray[np.int64]:
        """Different students by chance."""
        return self.rng.choice(len(self.ids), count, replace=False)

    def _around(self, rows: NDArray[np.int64]) -> Vectors:
        noise = self.rng.normal(scale=SPREAD, size=(len(rows), self.centres.shape[1]))
        vectors = self.centres[self.tastes[rows]] + noise.astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


def store(population: Population, rows: NDArray[np.int64], *, stale: bool) -> None:
    """Write vectors by binary COPY, and with `stale` raise their neighbours."""
    ids = [population.ids[row] for row in rows]
    with transaction() as conn:
        conn.execute("CREATE TEMP TABLE moved (student_id text, vec vector) ON COMMIT DROP")
        with conn.cursor().copy("COPY moved FROM STDIN WITH (FORMAT binary)") as copy:
            copy.set_types(["text", "vector"])
            for student_id, row in zip(ids, rows, strict=True):
                copy.write_row((student_id, population.vectors[row]))
        conn.execute(
            "INSERT INTO students (student_id) SELECT student_id FROM moved ON CONFLICT DO NOTHING"
        )
        conn.execute(
            "INSERT INTO student_embeddings (student_id, model, dimensions, content_hash, vec)"
            " SELECT student_id, %s, %s, sha256(student_id::bytea), vec FROM moved"
            " ON CONFLICT (student_id) DO UPDATE SET vec = excluded.vec, updated_at = now()",
            [settings().model, settings().embedding_dimensions],
        )
        if stale:
            freshness.mark_stale(conn, Kind.student_neighbors, dict.fromkeys(ids))


def store_all(population: Population, *, stale: bool) -> None:
    """Write everyone, in blocks."""
    for rows in blocks(np.arange(len(population.ids)), 2000):
        store(population, rows, stale=stale)


def blocks(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Consecutive pieces of at most `size` rows."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
