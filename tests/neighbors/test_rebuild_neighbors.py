"""A rebuild ends in the exact graph, whatever was stored, killed or moved meanwhile."""

from uuid import UUID

import numpy as np
import pytest

from tests.graph import (
    Vectors,
    assert_graph_is_exact,
    clustered,
    delete_students,
    drain,
    exact_similarities,
    store_vectors,
    stored_lists,
)
from workers.core.errors import RunActiveError, RunStoppedError
from workers.core.settings import settings
from workers.core.stores import connection
from workers.jobs.runs import RunKind, cancel_run, create_run, find_waiting, read_run
from workers.neighbors.blocked_knn import blocked_knn
from workers.neighbors.rebuild import rebuild_neighbors
from workers.neighbors.update import forget_graph

pytestmark = pytest.mark.slow

COUNT = 300


@pytest.fixture
def vectors(stores: None, monkeypatch: pytest.MonkeyPatch) -> Vectors:
    """Students whose graph is right, and a rebuild that takes several blocks."""
    monkeypatch.setenv("REBUILD_BLOCK_ROWS", "64")
    settings.cache_clear()
    found = {
        f"S{i:04}": vector
        for i, vector in enumerate(clustered(np.random.default_rng(5), COUNT, 256))
    }
    store_vectors(found)
    drain()
    return found


def damage_graph() -> None:
    with connection() as conn:
        conn.execute("DELETE FROM student_similarity WHERE right(a, 1) = '3'")
        conn.execute("DELETE FROM student_similarity WHERE right(b, 1) = '7'")
        conn.execute("UPDATE student_similarity SET sim = sim / 2 WHERE right(a, 1) = '5'")
    # Written behind the workers' backs: their copies would not know.
    forget_graph()


def edges() -> set[tuple[str, str, float, str]]:
    with connection() as conn:
        return set(conn.execute("SELECT a, b, sim, xmin::text FROM student_similarity").fetchall())


@pytest.mark.parametrize("first", [0, 40, 100])
@pytest.mark.parametrize("held_rows", [1, 7, 41, 50, 63, 64, 1000])
def test_blocks_of_any_size_find_everyones_nearest(first: int, held_rows: int) -> None:
    rows = clustered(np.random.default_rng(6), 130, 24)
    found = {}
    for _, start, end, members, sims in blocked_knn(
        lambda low, high: rows[low:high], 130, 6, 0.05, held_rows=held_rows, first=first
    ):
        for row, near, near_sims in zip(range(start, end), members, sims, strict=True):
            found[row] = dict(zip(near.tolist(), near_sims.tolist(), strict=True))
    exact = exact_similarities({str(i).zfill(3): row for i, row in enumerate(rows)})
    assert sorted(found) == list(range(first, 130))
    for row, near in found.items():
        best = sorted((s for s in exact[f"{row:03}"].values() if s >= 0.05), reverse=True)[:6]
        got = sorted((sim for member, sim in near.items() if member >= 0), reverse=True)
        assert got == pytest.approx(best, abs=1e-5)


def test_a_damaged_graph_is_exact_after_a_rebuild(vectors: Vectors) -> None:
    damage_graph()
    run_id = create_run(RunKind.rebuild_neighbors)
    rebuild_neighbors(run_id)
    assert_graph_is_exact(vectors)
    run = read_run(run_id)
    assert (run.state, run.done, run.total, run.progress) == ("done", COUNT, COUNT, 1.0)


def test_a_right_graph_is_not_written_to(vectors: Vectors) -> None:
    rebuild_neighbors(create_run(RunKind.rebuild_neighbors))
    before = edges()
    rebuild_neighbors(create_run(RunKind.rebuild_neighbors))
    assert edges() == before


def test_a_killed_rebuild_goes_on_where_it_was(vectors: Vectors) -> None:
    damage_graph()
    run_id = create_run(RunKind.rebuild_neighbors)

    def die_half_way(run_id: UUID) -> None:
        if read_run(run_id).done >= COUNT / 2:
            raise ConnectionError("killed")

    with pytest.raises(ConnectionError):
        rebuild_neighbors(run_id, die_half_way)
    half = edges()
    with connection() as conn:
        conn.execute("UPDATE runs SET last_sent = '-infinity'")
    assert find_waiting() == [(run_id, RunKind.rebuild_neighbors)]
    beginnings = []
    rebuild_neighbors(run_id, lambda run_id: beginnings.append(read_run(run_id).done))
    assert beginnings[0] >= COUNT / 2
    assert read_run(run_id).state == "done"
    assert_graph_is_exact(vectors)
    kept = {edge for edge in half if edge[0] < f"S{COUNT // 2:04}"}
    assert kept <= edges()


def test_students_that_move_come_or_go_meanwhile_end_up_right(vectors: Vectors) -> None:
    rng = np.random.default_rng(7)
    current = dict(vectors)
    damage_graph()

    def live_on(run_id: UUID) -> None:
        ids = [f"S{i:04}" for i in rng.choice(COUNT + 50, 4, replace=False)]
        moved = dict(zip(ids, clustered(rng, 4, 256), strict=True))
        current.update(moved)
        store_vectors(moved)
        drain()
        gone = f"S{rng.integers(COUNT):04}"
        current.pop(gone, None)
        delete_students([gone])

    rebuild_neighbors(create_run(RunKind.rebuild_neighbors), live_on)
    drain()
    assert_graph_is_exact(current)


def test_readers_never_see_a_list_without_its_members(vectors: Vectors) -> None:
    """After each committed block every list has all of its places, with old or new members."""
    with connection() as conn:
        conn.execute("UPDATE student_similarity SET sim = sim / 2 WHERE right(a, 1) = '5'")
    before = {student_id: len(found) for student_id, found in stored_lists().items()}
    seen = []

    def look(run_id: UUID) -> None:
        seen.append({student_id: len(found) for student_id, found in stored_lists().items()})

    rebuild_neighbors(create_run(RunKind.rebuild_neighbors), look)
    assert len(seen) > 5
    assert all(lengths == before for lengths in seen)


def test_one_rebuild_at_a_time(vectors: Vectors) -> None:
    run_id = create_run(RunKind.rebuild_neighbors)
    with pytest.raises(RunActiveError) as refused:
        create_run(RunKind.rebuild_neighbors)
    assert refused.value.run_id == run_id


def test_a_cancelled_rebuild_stops_between_blocks(vectors: Vectors) -> None:
    run_id = create_run(RunKind.rebuild_neighbors)
    rebuild_neighbors(run_id, cancel_run)
    run = read_run(run_id)
    assert (run.state, run.done < COUNT) == ("cancelled", True)
    with pytest.raises(RunStoppedError):
        cancel_run(run_id)


def test_only_students_of_another_model_keep_edges_of_it(vectors: Vectors) -> None:
    with connection() as conn:
        conn.execute("UPDATE student_embeddings SET model = 'older' WHERE student_id = 'S0001'")
    rebuild_neighbors(create_run(RunKind.rebuild_neighbors))
    with connection() as conn:
        found = conn.execute(
            "SELECT count(*) FILTER (WHERE b = 'S0001'), count(*) FILTER (WHERE a = 'S0001') > 0"
            " FROM student_similarity"
        ).fetchone()
    assert found == (0, True)
