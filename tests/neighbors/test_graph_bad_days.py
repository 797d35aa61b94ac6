"""The neighbour graph after lost commits, killed and cancelled runs, a change of model."""

from collections.abc import Callable
from uuid import UUID

import numpy as np
import psycopg
import pytest

from tests.graph import (
    Vectors,
    assert_graph_is_exact,
    clustered,
    delete_students,
    drain,
    due_keys,
    raise_neighbors,
    store_vectors,
    stored_lists,
)
from workers.core.settings import settings
from workers.core.stores import connect, connection, transaction
from workers.core.vocabulary import HASHING_MODEL
from workers.jobs.runs import RunKind, cancel_run, create_run, find_waiting, leased_run, read_run
from workers.neighbors import update
from workers.neighbors.changes import prune_changes, updater_lock
from workers.neighbors.check import check_neighbors
from workers.neighbors.rebuild import rebuild_neighbors


def students(count: int, seed: int, names: str = "S") -> dict[str, np.ndarray]:
    drawn = clustered(np.random.default_rng(seed), count, 256)
    return {f"{names}{i:03}": vector for i, vector in enumerate(drawn)}


def test_a_copy_that_is_ahead_of_a_database_that_lost_commits_is_dropped(stores: None) -> None:
    vectors = students(80, 20)
    store_vectors(vectors)
    drain()
    with connection() as conn:
        kept = conn.execute("SELECT a, b, sim FROM student_similarity").fetchall()
    moved = dict(list(students(80, 21).items())[:30])
    vectors |= moved
    store_vectors(moved)
    drain()
    # As after a failover: the last transaction is gone, its keys are due again.
    with transaction() as conn:
        conn.execute("TRUNCATE student_similarity")
        conn.cursor().executemany("INSERT INTO student_similarity VALUES (%s, %s, %s)", kept)
        conn.execute("DELETE FROM graph_changes WHERE seq = (SELECT max(seq) FROM graph_changes)")
        raise_neighbors(conn, moved)
    drain()
    assert_graph_is_exact(vectors)


def test_a_copy_that_has_not_followed_for_long_is_loaded_anew(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = students(60, 22)
    store_vectors(vectors)
    drain()
    graph = update._copy().graph
    assert graph is not None
    # Another worker moves everyone, and what it said of that is pruned before we look.
    update.forget_graph()
    vectors |= students(60, 23)
    store_vectors(vectors)
    drain()
    with connection() as conn:
        conn.execute("DELETE FROM graph_changes WHERE seq > %s", [graph.seq])
    update._copy().graph = graph
    monkeypatch.setattr(graph, "_followed_at", float("-inf"))
    vectors["S001"] = students(60, 24)["S001"]
    store_vectors({"S001": vectors["S001"]})
    drain()
    assert_graph_is_exact(vectors)


def assert_right_after_moving(vectors: Vectors, student_id: str) -> None:
    """The student moves to where `vectors` has it; then whatever waited is due, too."""
    store_vectors({student_id: vectors[student_id]})
    with connection() as conn:
        conn.execute("UPDATE freshness SET not_before = now()")
    drain()
    assert_graph_is_exact(vectors)


def test_who_comes_back_after_a_deletion_leaves_no_edge_of_the_time_between(stores: None) -> None:
    vectors = students(60, 34)
    store_vectors(vectors)
    drain()
    graph = update._copy().graph
    # S001 is deleted and comes back near S002. Before its own update another worker, which loads
    # the graph anew, updates S002 and offers it to S001.
    update.forget_graph()
    delete_students(["S001"])
    store_vectors({"S001": vectors["S002"]})
    with connection() as conn:
        conn.execute("UPDATE freshness SET not_before = 'infinity'")
        raise_neighbors(conn, ["S002"])
        conn.execute("UPDATE freshness SET not_before = now() WHERE key = 'S002'")
    update.update_neighbors("S002")
    assert stored_lists()["S001"].keys() == {"S002"}
    # S001 is somebody else when we follow.
    update._copy().graph = graph
    assert_right_after_moving({**vectors, "S001": -vectors["S002"]}, "S001")


def test_a_newcomer_whom_another_worker_put_into_a_list_is_known_to_all(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_NEIGHBORS", "5")
    settings.cache_clear()
    vectors = students(60, 35)
    store_vectors(vectors)
    drain()
    graph = update._copy().graph
    # Ahead of its own update the newcomer enters a list that lost everyone and is searched again,
    # by another worker, which loads the graph anew.
    update.forget_graph()
    store_vectors({"new": vectors["S000"]})
    with connection() as conn:
        conn.execute("UPDATE freshness SET not_before = 'infinity'")
        rows = conn.execute("SELECT b FROM student_similarity WHERE a = 'S000'").fetchall()
    left = {member: -vectors[member] for (member,) in rows}
    vectors |= left
    store_vectors(left)
    with connection() as conn:
        conn.execute("UPDATE freshness SET not_before = now() WHERE key <> 'new'")
    update.update_neighbors(min(left))
    assert "new" in stored_lists()["S000"]
    # The newcomer is somebody else when we follow.
    update._copy().graph = graph
    assert_right_after_moving({**vectors, "new": -vectors["S000"]}, "new")


def test_recent_changes_are_not_pruned(stores: None) -> None:
    store_vectors(students(20, 25))
    drain()
    with connection() as conn:
        prune_changes(conn)
        assert conn.execute("SELECT count(*) > 0 FROM graph_changes").fetchone() == (True,)
        conn.execute("UPDATE graph_changes SET written_at = now() - interval '2 hours'")
        prune_changes(conn)
        assert conn.execute("SELECT count(*) FROM graph_changes").fetchone() == (0,)


def test_after_an_exception_the_copy_is_not_trusted(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = students(60, 26)
    store_vectors(vectors)
    drain()
    moved = {"S002": students(60, 27)["S002"]}
    vectors |= moved
    store_vectors(moved)

    def broken(*_: object, **__: object) -> None:
        raise ConnectionError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(update, "write_edges", broken)
        update.update_neighbors("S002")
    assert update._copy().graph is None
    with connection() as conn:
        conn.execute("UPDATE freshness SET not_before = now()")
    drain()
    assert_graph_is_exact(vectors)


def test_one_process_has_the_updater_lock(stores: None) -> None:
    with connect() as first, connect() as second:
        with updater_lock(first) as ours, updater_lock(second) as theirs:
            assert (ours, theirs) == (True, False)
        with updater_lock(second) as theirs:
            assert theirs


def test_a_stalled_process_loses_the_updater_lock(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.neighbors.changes.LOCK_IDLE_MS", 200)
    with connect() as stalled, connect() as other:
        stalled.execute("SELECT 1")
        held = updater_lock(stalled)
        assert held.__enter__()
        for _ in range(20):
            with updater_lock(other) as ours:
                if ours:
                    break
        assert ours
        with pytest.raises(psycopg.OperationalError):
            held.__exit__(None, None, None)


def switch_model(monkeypatch: pytest.MonkeyPatch, batch_size: int) -> None:
    monkeypatch.setenv("EMBEDDING_MODEL", HASHING_MODEL)
    monkeypatch.setenv("NEIGHBOR_BATCH_SIZE", str(batch_size))
    settings.cache_clear()
    update.forget_graph()


def test_a_model_switch_in_small_batches_ends_in_the_exact_graph(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_vectors(students(60, 28))
    drain()
    switch_model(monkeypatch, 7)
    vectors = students(60, 29)
    first = dict(list(vectors.items())[:40])
    store_vectors(first)
    drain()
    store_vectors({key: vectors[key] for key in vectors.keys() - first.keys()})
    drain()
    with connection() as conn:
        errors = conn.execute("SELECT error FROM attempts WHERE error IS NOT NULL").fetchall()
    assert errors == []
    assert_graph_is_exact(vectors)


def test_a_rebuild_leaves_the_lists_of_students_that_wait_for_the_new_model(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_vectors(students(60, 30))
    drain()
    before = stored_lists()
    switch_model(monkeypatch, 300)
    rebuild_neighbors(create_run(RunKind.rebuild_neighbors))
    assert stored_lists() == before
    quality = check_neighbors()
    assert (quality.with_vector, quality.with_neighbors, quality.coverage) == (0, 0, 1.0)


@pytest.fixture
def damaged(stores: None, monkeypatch: pytest.MonkeyPatch) -> Vectors:
    """Lists that say everyone in them is closer than they are, and so let nobody in."""
    monkeypatch.setenv("REBUILD_BLOCK_ROWS", "20")
    settings.cache_clear()
    vectors = students(120, 31)
    store_vectors(vectors)
    drain()
    with connection() as conn:
        conn.execute("UPDATE student_similarity SET sim = least(1, sim + 0.5)")
    update.forget_graph()
    return vectors


def moving(vectors: dict[str, np.ndarray], until: Callable[[UUID], None]) -> Callable[[UUID], None]:
    """After the first block everyone moves, one student in three at a time."""
    seen: list[UUID] = []

    def on_progress(run_id: UUID) -> None:
        if read_run(run_id).done and len(seen) < 3:
            moved = dict(list(students(120, 32 + len(seen)).items())[len(seen) :: 3])
            seen.append(run_id)
            vectors.update(moved)
            store_vectors(moved)
            drain()
        until(run_id)

    return on_progress


def test_students_that_move_during_a_rebuild_are_raised_once_more(damaged: Vectors) -> None:
    vectors = dict(damaged)
    run_id = create_run(RunKind.rebuild_neighbors)
    rebuild_neighbors(run_id, moving(vectors, lambda _: None))
    assert due_keys() != []
    drain()
    assert_graph_is_exact(vectors)


def test_a_cancelled_rebuild_leaves_right_lists_right(stores: None) -> None:
    vectors = students(120, 33)
    store_vectors(vectors)
    drain()
    run_id = create_run(RunKind.rebuild_neighbors)

    def cancel_late(run_id: UUID) -> None:
        if read_run(run_id).done >= 60:
            cancel_run(run_id)

    rebuild_neighbors(run_id, moving(vectors, cancel_late))
    drain()
    assert_graph_is_exact(vectors)


def test_a_run_is_worked_on_by_one_process(stores: None) -> None:
    run_id = create_run(RunKind.rebuild_neighbors)
    with leased_run(run_id) as first, leased_run(run_id) as second:
        assert first is not None
        assert second is None


def test_a_run_that_kills_its_worker_each_time_has_failed(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_ATTEMPTS", "3")
    settings.cache_clear()
    run_id = create_run(RunKind.rebuild_neighbors)
    claims = 0
    for _ in range(6):
        held = leased_run(run_id)
        claims += held.__enter__() is not None
        with connection() as conn:
            conn.execute("UPDATE runs SET lease_until = '-infinity', last_sent = '-infinity'")
    run = read_run(run_id)
    assert (claims, run.state) == (3, "failed")
    assert run.error is not None
    assert find_waiting() == []
