"""How good the stored neighbour graph is: completeness, and a sample against exact neighbours."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import psycopg
import structlog
from psycopg.types.json import Jsonb

from workers.core.check_command import print_check
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection
from workers.neighbors.graph import model_parameters, read_ids, read_lists, read_vectors

COUNT = query("neighbors/check.count_graph")
PERCENTILES = query("neighbors/check.read_percentiles")
SAMPLE = query("neighbors/check.read_sample")
STORE = query("neighbors/check.store_check")
READ_LAST = query("neighbors/check.read_last_check")

BLOCK_ROWS = 4096
DEFAULT_SAMPLE = 200
# Two students as similar as that may stand in either order.
TIE = 1e-5

log = structlog.get_logger()


@dataclass(frozen=True)
class NeighborQuality:
    """Figures of the stored graph.

    `coverage` is the share of students with a vector that have a list, in [0, 1]. `isolated` have
    a vector and nobody similar enough. `stale_rows` are edges in lists that want an update.
    `recall` is the mean share of the true nearest `max_neighbors` that the lists of `sample`
    students hold; `similarity_error` the mean absolute error of their stored similarities. Both
    are None without anyone to sample.
    """

    students: int
    with_vector: int
    without_vector: int
    with_neighbors: int
    isolated: int
    coverage: float
    stale_rows: int
    similarity_p5: float | None
    similarity_p50: float | None
    similarity_p95: float | None
    sample: int
    recall: float | None
    similarity_error: float | None


def check_neighbors(sample: int = DEFAULT_SAMPLE) -> NeighborQuality:
    """Measure the graph; reads every vector once, in blocks of 25 MB."""
    with connection() as conn:
        counted = conn.execute(COUNT, model_parameters()).fetchone()
        shares = conn.execute(PERCENTILES, {"shown": settings().max_neighbors}).fetchone()
        names = [
            student_id
            for (student_id,) in conn.execute(SAMPLE, {**model_parameters(), "most": sample})
        ]
        recall, error = _compare_with_exact(conn, names)
    students, with_vector, with_neighbors, stale_rows = counted or (0, 0, 0, 0)
    p5, p50, p95 = (shares[0] if shares else None) or (None, None, None)
    return NeighborQuality(
        students=students,
        with_vector=with_vector,
        without_vector=students - with_vector,
        with_neighbors=with_neighbors,
        isolated=max(with_vector - with_neighbors, 0),
        coverage=with_neighbors / with_vector if with_vector else 1.0,
        stale_rows=stale_rows,
        similarity_p5=p5,
        similarity_p50=p50,
        similarity_p95=p95,
        sample=len(names),
        recall=recall,
        similarity_error=error,
    )


def store_check(quality: NeighborQuality) -> None:
    """Keep a check's figures, for the metrics."""
    with connection() as conn:
        conn.execute(STORE, {"figures": Jsonb(asdict(quality))})


def read_last_check() -> Mapping[str, float | None]:
    """Read the figures of the newest stored check; empty before the first one."""
    with connection() as conn:
        row = conn.execute(READ_LAST).fetchone()
    return row[0] if row else {}


def _compare_with_exact(
    conn: psycopg.Connection, names: list[str]
) -> tuple[float | None, float | None]:
    """Mean recall and mean similarity error of the named students' lists."""
    vectors = read_vectors(conn, names)
    if not vectors:
        return None, None
    ids = read_ids(conn)
    queries = np.stack(list(vectors.values()))
    sims = np.full((len(vectors), len(ids)), -np.inf, np.float32)
    for start in range(0, len(ids), BLOCK_ROWS):
        block = ids[start : start + BLOCK_ROWS]
        found = read_vectors(conn, block)
        present = [place for place, student_id in enumerate(block) if student_id in found]
        if present:
            rows = np.stack([found[block[place]] for place in present])
            sims[:, start + np.array(present)] = queries @ rows.T
    column = {student_id: place for place, student_id in enumerate(ids)}
    stored: dict[str, dict[str, float]] = {student_id: {} for student_id in vectors}
    for a, b, sim in read_lists(conn, list(vectors)):
        stored[a][b] = sim
    recalls, errors = [], []
    for row, student_id in enumerate(vectors):
        shown = sorted(stored[student_id].items(), key=lambda item: -item[1])
        held = {b: sim for b, sim in shown[: settings().max_neighbors] if b in column}
        if student_id in column:
            sims[row, column[student_id]] = -np.inf
        best = np.sort(sims[row])[::-1][: settings().max_neighbors]
        best = best[best >= settings().min_similarity]
        errors += [abs(float(sims[row, column[b]]) - sim) for b, sim in held.items()]
        if len(best):
            right = sum(float(sims[row, column[b]]) >= float(best[-1]) - TIE for b in held)
            recalls.append(min(right / len(best), 1.0))
    return (
        float(np.mean(recalls)) if recalls else 1.0,
        float(np.mean(errors)) if errors else 0.0,
    )


if __name__ == "__main__":
    # `python -m workers.neighbors.check [--sample N]`
    print_check("Measure the neighbour graph.", check_neighbors, DEFAULT_SAMPLE)
