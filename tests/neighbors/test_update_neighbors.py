"""The stored graph equals brute force, whatever moved, came or went, in whatever batches."""

import threading
import time
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.neighbor_worker import neighbor_worker
from tests.graph import (
    assert_graph_is_exact,
    clustered,
    delete_students,
    drain,
    due_keys,
    raise_neighbors,
    store_vectors,
    stored_lists,
)
from tests.neighbors.conftest import DIMENSIONS
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.jobs.runs import RunKind, create_run
from workers.ledger.attempt import attempt
from workers.neighbors.graph import NeighborGraph
from workers.neighbors.rebuild import rebuild_neighbors
from workers.neighbors.strategy import Search
from workers.neighbors.topk_lists import floors, occupied
from workers.neighbors.update import _copy, forget_graph, update_batch
from workers.students.read import read_neighbors

pytestmark = pytest.mark.slow

Steps = st.lists(
    st.tuples(
        st.sampled_from(["move", "drift", "delete", "run", "restart"]),
        st.integers(1, 12),
        st.integers(0, 2**32 - 1),
    ),
    min_size=1,
    max_size=12,
)


@given(Steps, st.integers(0, 60), st.integers(1, 30), st.sampled_from([-1.0, 0.1, 0.6]))
@examples(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_sequence_of_changes_in_any_batching_ends_in_the_exact_graph(
    stores: None,
    small_vectors: None,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[str, int, int]],
    start: int,
    batch_size: int,
    threshold: float,
) -> None:
    monkeypatch.setenv("NEIGHBOR_BATCH_SIZE", str(batch_size))
    monkeypatch.setenv("SIMILARITY_THRESHOLD", str(max(threshold, 0)))
    settings.cache_clear()
    begin_anew()
    rng = np.random.default_rng(start)
    vectors = {f"S{i:03}": v for i, v in enumerate(clustered(rng, start, DIMENSIONS))}
    store_vectors(vectors)
    for what, count, seed in steps:
        rng = np.random.default_rng(seed)
        chosen = rng.choice(80, count, replace=False)
        ids = [f"S{i:03}" for i in chosen]
        if what == "move":
            moved = dict(zip(ids, clustered(rng, count, DIMENSIONS), strict=True))
        elif what == "drift":
            noise = rng.normal(size=(count, DIMENSIONS)).astype(np.float32) * 0.1
            moved = {i: vectors[i] + n for i, n in zip(ids, noise, strict=True) if i in vectors}
        if what in ("move", "drift"):
            vectors |= moved
            store_vectors(moved)
        elif what == "delete":
            delete_students(ids)
            vectors = {key: vector for key, vector in vectors.items() if key not in ids}
        elif what == "run":
            drain()
        else:
            forget_graph()
    drain()
    assert_graph_is_exact(vectors)


WorkerSteps = st.lists(
    st.tuples(
        st.sampled_from(["move", "delete", "come back", "restart"]),
        st.integers(1, 6),
        st.integers(0, 2**32 - 1),
        st.integers(0, 1),
        st.integers(0, 2),
    ),
    max_size=12,
)


@pytest.mark.parametrize("search", [Search.exact, Search.ivf])
@given(WorkerSteps, st.integers(1, 12))
@examples(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whichever_worker_gets_the_next_batch_its_copy_is_what_is_stored(
    stores: None,
    small_vectors: None,
    monkeypatch: pytest.MonkeyPatch,
    search: Search,
    steps: list[tuple[str, int, int, int, int]],
    batch_size: int,
) -> None:
    monkeypatch.setenv("NEIGHBOR_BATCH_SIZE", str(batch_size))
    if search is Search.ivf:
        monkeypatch.setenv("EXACT_SEARCH_MAX_STUDENTS", "0")
    settings.cache_clear()
    begin_anew()
    vectors = {f"S{i:03}": v for i, v in enumerate(clustered(np.random.default_rng(0), 30, 16))}
    store_vectors(vectors)
    copies: list[NeighborGraph | None] = [None, None]
    for what, count, seed, worker, batches in steps:
        rng = np.random.default_rng(seed)
        ids = [f"S{i:03}" for i in rng.choice(40, count, replace=False)]
        if what in ("delete", "come back"):
            delete_students(ids)
            vectors = {key: vector for key, vector in vectors.items() if key not in ids}
        if what in ("move", "come back"):
            moved = dict(zip(ids, clustered(rng, count, DIMENSIONS), strict=True))
            vectors |= moved
            store_vectors(moved)
        if what == "restart":
            copies[worker] = None
        _copy().graph = copies[worker]
        for _ in range(batches):
            attempt(Kind.student_neighbors, "", update_batch)
        graph = copies[worker] = _copy().graph
        if graph is not None:
            assert_copy_is_what_is_stored(graph)
    drain()
    if search is Search.exact:
        assert_graph_is_exact(vectors)
    with connection() as conn:
        errors = conn.execute("SELECT error FROM attempts WHERE error IS NOT NULL").fetchall()
    assert errors == []


def begin_anew() -> None:
    forget_graph()
    with connection() as conn:
        conn.execute(
            "TRUNCATE students, student_embeddings, freshness, graph_changes, attempts CASCADE"
        )


def assert_copy_is_what_is_stored(graph: NeighborGraph) -> None:
    with connection() as conn:
        graph.sync(conn)
        rows = conn.execute("SELECT a, b, sim FROM student_similarity").fetchall()
    edges = occupied(np.arange(graph.size, dtype=np.int32), graph.members, graph.sims)
    held = zip(graph.names(edges.owner), graph.names(edges.member), edges.sim.tolist(), strict=True)
    assert {(a, b): np.float32(sim) for a, b, sim in rows} == {(a, b): sim for a, b, sim in held}
    threshold = settings().min_similarity
    entries = floors(graph.sims, least=settings().min_members, threshold=threshold)
    assert np.array_equal(graph.entries, entries)


def test_a_student_without_a_vector_any_more_leaves_every_list(stores: None) -> None:
    vectors = {f"S{i:03}": v for i, v in enumerate(clustered(np.random.default_rng(13), 60, 256))}
    store_vectors(vectors)
    drain()
    with transaction() as conn:
        conn.execute("UPDATE student_embeddings SET model = 'other' WHERE student_id = 'S007'")
        raise_neighbors(conn, ["S007", "S008"])
    drain()
    with connection() as conn:
        edges = conn.execute("SELECT FROM student_similarity WHERE 'S007' IN (a, b)").fetchall()
    assert edges == []
    assert_graph_is_exact({key: vector for key, vector in vectors.items() if key != "S007"})


def test_a_list_holds_slack_that_readers_do_not_see(stores: None) -> None:
    vectors = {f"S{i:04}": v for i, v in enumerate(clustered(np.random.default_rng(3), 60, 256))}
    store_vectors(vectors)
    drain()
    with connection() as conn:
        row = conn.execute("SELECT count(*) FROM student_similarity GROUP BY a").fetchone()
    assert row is not None
    assert row[0] > settings().max_neighbors
    assert max(len(found) for found in stored_lists().values()) == settings().max_neighbors


def test_two_workers_on_overlapping_batches_lose_no_edge(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEIGHBOR_BATCH_SIZE", "20")
    rng = np.random.default_rng(4)
    vectors = {f"S{i:03}": v for i, v in enumerate(clustered(rng, 250, 256))}
    store_vectors(vectors)
    with ExitStack() as workers:
        running = [workers.enter_context(neighbor_worker()) for _ in range(2)]
        rounds = 0
        while rounds < 40 or len(working_processes()) < 2:
            rounds += 1
            count = int(rng.integers(1, 60))
            ids = rng.choice(250, count, replace=False)
            moved = {f"S{i:03}": v for i, v in zip(ids, clustered(rng, count, 256), strict=True)}
            vectors |= moved
            store_vectors(moved)
            if rng.random() < 0.3:
                gone = f"S{rng.integers(250):03}"
                vectors.pop(gone, None)
                delete_students([gone])
            # Then both workers look for work again, and either may get the lock.
            while rng.random() < 0.5 and due_keys():
                time.sleep(0.02)
        for worker in running:
            worker.communicate(timeout=120)
    with connection() as conn:
        errors = conn.execute("SELECT error FROM attempts WHERE error IS NOT NULL").fetchall()
    assert errors == []
    assert due_keys() == []
    assert_graph_is_exact(vectors)


def working_processes() -> set[str]:
    """Process ids that have worked on a key."""
    with connection() as conn:
        rows = conn.execute("SELECT DISTINCT split_part(worker, ':', 2) FROM attempts")
        return {pid for (pid,) in rows}


def test_a_polling_reader_never_sees_a_shorter_list(
    stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REBUILD_BLOCK_ROWS", "100")
    settings.cache_clear()
    rng = np.random.default_rng(11)
    # All of one taste, so that everybody has fifteen neighbours whoever goes.
    centre = rng.normal(size=256)
    ids = [f"S{i:03}" for i in range(200)]

    def vectors_of(names: list[str]) -> dict[str, NDArray[np.float32]]:
        noise = rng.normal(size=(len(names), 256))
        return dict(zip(names, (centre + noise).astype(np.float32), strict=True))

    store_vectors(vectors_of(ids))
    drain()
    lengths: set[int] = set()
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            lengths.add(len(read_neighbors(ids[0]).neighbors))

    reader = threading.Thread(target=poll)
    reader.start()
    for step in range(25):
        store_vectors(vectors_of(rng.choice(ids, 20, replace=False).tolist()))
        drain()
        gone = str(rng.choice(ids[1:]))
        delete_students([gone])
        if step % 12 == 0:
            rebuild_neighbors(create_run(RunKind.rebuild_neighbors))
        drain()
        store_vectors(vectors_of([gone]))
    stop.set()
    reader.join()
    assert lengths == {settings().max_neighbors}
