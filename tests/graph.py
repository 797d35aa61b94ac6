"""Students as bare vectors, and what the graph over them should be."""

from collections.abc import Iterable, Mapping
from uuid import uuid4

import numpy as np
import psycopg
from numpy.typing import NDArray

from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.ingest.events import StudentDeleted
from workers.ingest.record import record_events
from workers.ledger import freshness
from workers.neighbors.update import update_neighbors

Vectors = Mapping[str, NDArray[np.float32]]


def store_vectors(vectors: Vectors) -> None:
    """As recompute_student stores them: the vector, and its neighbours wanted."""
    with transaction() as conn:
        for student_id, vec in vectors.items():
            conn.execute("INSERT INTO students VALUES (%s) ON CONFLICT DO NOTHING", [student_id])
            conn.execute(
                "INSERT INTO student_embeddings (student_id, model, dimensions, content_hash, vec)"
                " VALUES (%s, %s, %s, sha256(%s), %b) ON CONFLICT (student_id)"
                " DO UPDATE SET vec = excluded.vec, model = excluded.model,"
                " dimensions = excluded.dimensions",
                [student_id, settings().model, len(vec), vec.tobytes(), vec],
            )
        raise_neighbors(conn, vectors)


def raise_neighbors(conn: psycopg.Connection, ids: Iterable[str]) -> None:
    freshness.mark_stale(conn, Kind.student_neighbors, dict.fromkeys(ids))


def delete_students(ids: list[str]) -> None:
    record_events(
        [StudentDeleted(event_type="student_deleted", student_id=student_id) for student_id in ids]
    )


def drain() -> None:
    """Update neighbours until nothing is due."""
    while due := due_keys():
        update_neighbors(due[0])


def due_keys() -> list[str]:
    with connection() as conn:
        rows = conn.execute(
            "SELECT key FROM freshness WHERE kind = 'student_neighbors' AND wanted > done"
            " AND dead_at IS NULL ORDER BY key"
        )
        return [key for (key,) in rows]


def stored_lists() -> dict[str, dict[str, float]]:
    """Per student the neighbours that readers see."""
    lists: dict[str, dict[str, float]] = {}
    with connection() as conn:
        rows = conn.execute("SELECT a, b, sim FROM student_similarity ORDER BY a, sim DESC, b")
        for a, b, sim in rows:
            lists.setdefault(a, {})[b] = sim
    return {a: dict(list(found.items())[: settings().max_neighbors]) for a, found in lists.items()}


def exact_similarities(vectors: Vectors) -> dict[str, dict[str, float]]:
    """Everyone's similarity to everyone else, in float64."""
    ids = sorted(vectors)
    matrix = np.array([vectors[student_id] for student_id in ids], np.float64)
    if not ids:
        return {}
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    sims = matrix @ matrix.T
    return {
        a: {b: float(sims[i, j]) for j, b in enumerate(ids) if i != j} for i, a in enumerate(ids)
    }


def assert_graph_is_exact(vectors: Vectors) -> None:
    """Every list holds the best students by brute force; equal similarities may swap places."""
    shown, threshold = settings().max_neighbors, settings().similarity_threshold
    stored = stored_lists()
    assert stored.keys() <= vectors.keys()
    for a, sims in exact_similarities(vectors).items():
        found = stored.get(a, {})
        wanted = sorted((sim for sim in sims.values() if sim >= threshold), reverse=True)[:shown]
        borderline = sum(abs(sim - threshold) < 1e-5 for sim in sims.values())
        assert abs(len(found) - len(wanted)) <= borderline, a
        for b, sim in found.items():
            assert abs(sims[b] - sim) < 1e-5, (a, b)
        for got, want in zip(sorted(found.values(), reverse=True), wanted, strict=False):
            assert abs(got - want) < 1e-5, a


def recall(vectors: Vectors) -> float:
    """Mean share of each student's true neighbours that its stored list has."""
    shown, threshold = settings().max_neighbors, settings().similarity_threshold
    stored = stored_lists()
    shares = []
    for a, sims in exact_similarities(vectors).items():
        best = sorted((s for s in sims.values() if s >= threshold), reverse=True)[:shown]
        if best:
            found = [sims[b] for b in stored.get(a, {})]
            shares.append(sum(sim >= best[-1] - 1e-5 for sim in found) / len(best))
    return float(np.mean(shares))


def clustered(rng: np.random.Generator, count: int, dimensions: int) -> NDArray[np.float32]:
    """Vectors around a few centres, as students of a few tastes are."""
    centres = rng.normal(size=(max(count // 25, 1), dimensions))
    vectors = centres[rng.integers(len(centres), size=count)]
    vectors += rng.normal(size=(count, dimensions)) * 0.6
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def new_id() -> str:
    return f"S{uuid4().hex[:8]}"
