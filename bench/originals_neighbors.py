"""The originals' neighbour graph, written for comparison.

Per student: delete the list, search with `FROM student_embeddings, src`, insert fifteen rows with
executemany. Vectors are stored as they come (TOAST), the index is IVFFlat with 32 lists, and the
lists of others are not touched.
"""

import time

import numpy as np
from numpy.typing import NDArray

from bench.populations import Population, blocks
from workers.core.stores import connection, transaction

SHOWN = 15


def create(population: Population) -> None:
    """Tables, vectors and index."""
    dimensions = population.vectors.shape[1]
    with transaction() as conn:
        conn.execute(
            f"CREATE TABLE originals_embeddings"
            f" (student_id text PRIMARY KEY, vec vector({dimensions}))"
        )
        conn.execute(
            "CREATE TABLE originals_similarity"
            " (a text, b text, sim real, last_event uuid, PRIMARY KEY (a, b))"
        )
        for rows in blocks(np.arange(len(population.ids)), 2000):
            with conn.cursor().copy(
                "COPY originals_embeddings FROM STDIN WITH (FORMAT binary)"
            ) as copy:
                copy.set_types(["text", "vector"])
                for row in rows:
                    copy.write_row((population.ids[row], population.vectors[row]))
        conn.execute("SET LOCAL maintenance_work_mem = '512MB'")
        conn.execute(
            "CREATE INDEX ON originals_embeddings USING ivfflat (vec vector_cosine_ops)"
            " WITH (lists = 32)"
        )
    with connection() as conn:
        conn.execute("ANALYZE originals_embeddings")


def copy_graph() -> None:
    """Begin with the right graph."""
    with transaction() as conn:
        conn.execute(
            "INSERT INTO originals_similarity SELECT a, b, sim, last_event FROM ("
            " SELECT *, row_number() OVER (PARTITION BY a ORDER BY sim DESC) AS place"
            " FROM student_similarity) ranked WHERE place <= %s",
            [SHOWN],
        )


def update(population: Population, rows: NDArray[np.int64]) -> float:
    """Update students one after the other; returns seconds."""
    started = time.perf_counter()
    for row in rows:
        student_id = population.ids[row]
        with transaction() as conn:
            conn.execute(
                "UPDATE originals_embeddings SET vec = %s WHERE student_id = %s",
                [population.vectors[row], student_id],
            )
            conn.execute("DELETE FROM originals_similarity WHERE a = %s", [student_id])
            found = conn.execute(
                "WITH src AS (SELECT vec FROM originals_embeddings WHERE student_id = %(id)s)"
                " SELECT e.student_id, 1 - (e.vec <=> src.vec) AS sim"
                " FROM originals_embeddings e, src WHERE e.student_id <> %(id)s"
                " ORDER BY e.vec <=> src.vec LIMIT %(shown)s",
                {"id": student_id, "shown": SHOWN},
            ).fetchall()
            conn.cursor().executemany(
                "INSERT INTO originals_similarity VALUES (%s, %s, %s, NULL)",
                [(student_id, b, sim) for b, sim in found],
            )
    return time.perf_counter() - started


def lists() -> dict[str, dict[str, float]]:
    """The stored graph."""
    found: dict[str, dict[str, float]] = {}
    with connection() as conn:
        for a, b, sim in conn.execute("SELECT a, b, sim FROM originals_similarity"):
            found.setdefault(a, {})[b] = sim
    return found
