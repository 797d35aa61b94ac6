"""Case 14: a worker that was stalled until its lease went to another one writes nothing."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.embeddings_server import EmbeddingsServer
from tests.failures.cluster import Cluster
from tests.failures.held import Held, locked, storing
from tests.failures.truth import assert_derived_is_right
from tests.library import book, books, checkout, ledger, rows, shelve
from tests.processes import eventually
from workers.core.vocabulary import Kind
from workers.jobs.lease import LOST_WORKER


def the_worker() -> str:
    """Its name, while it is the only one."""
    ((worker,),) = rows("SELECT worker FROM workers")
    return str(worker)


def idle(worker: str) -> bool:
    """Whether it has said, since it was woken, that it is at nothing."""
    return rows("SELECT jobs FROM workers WHERE worker = %s", worker) == [([],)]


def attempts(kind: Kind) -> list[tuple[Any, ...]]:
    """Who tried what, and how it ended."""
    return rows("SELECT worker, error FROM attempts WHERE kind = %s ORDER BY started_at", kind)


def test_a_worker_that_wakes_up_with_an_answer_after_its_lease_was_taken_writes_nothing(
    cluster: Cluster, provider: EmbeddingsServer, configure: Callable[..., None]
) -> None:
    configure(EMBEDDING_TIMEOUT_S=300)
    provider.before_answer = answer = Held()
    _, sleeper, _ = cluster.start_all()
    name = the_worker()
    shelve(*books(2))
    cluster.tell([checkout("S1", "B0")])
    answer.wait_for()
    eventually(lambda: not idle(name), cluster.output)
    sleeper.signal(signal.SIGSTOP)
    # What it was about to store is out of date from now on.
    (event_id,) = cluster.tell([checkout("S1", "B1")])["event_ids"]

    cluster.start_worker()
    cluster.all_fresh(keys=2)
    assert rows("SELECT last_event::text FROM student_embeddings") == [(event_id,)]
    stored = rows("SELECT xmin, e FROM student_embeddings e")
    story = attempts(Kind.student_embedding)
    assert [error for _, error in story] == [LOST_WORKER, None]
    assert [worker.startswith(f"{name}:") for worker, _ in story] == [True, False]

    answer.let_go()
    sleeper.signal(signal.SIGCONT)
    eventually(lambda: idle(name), cluster.output)
    assert rows("SELECT xmin, e FROM student_embeddings e") == stored
    assert attempts(Kind.student_embedding) == story
    assert ledger(Kind.student_embedding, "wanted", "done") == {"S1": (2, 2)}
    cluster.tell([book("B1", "Another title")])  # who slept is of use again
    cluster.all_fresh()
    assert_derived_is_right()


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("student_embeddings", "INSERT INTO"),
        ("student_similarity", "COPY"),
        ("graph_changes", "INSERT INTO"),
    ],
    ids=["in a pipeline", "in a COPY", "between statements"],
)
def test_a_worker_stalled_inside_its_transaction_loses_that_and_its_keys(
    cluster: Cluster, table: str, statement: str
) -> None:
    _, sleeper, _ = cluster.start_all()
    name = the_worker()
    with locked(f"LOCK TABLE {table} IN SHARE MODE"):
        shelve(*books(20))
        cluster.tell([checkout(f"S{n}", f"B{n}") for n in range(20)])
        eventually(lambda: storing(f"{statement} {table}"), cluster.output)
        eventually(lambda: not idle(name), cluster.output)
        sleeper.signal(signal.SIGSTOP)
    # Its session now has rows of the ledger, and whoever raises those waits for it.
    cluster.tell([checkout(f"S{n}", f"B{n + 1}") for n in range(10)], timeout_s=120)
    cluster.start_worker()
    cluster.all_fresh(keys=40)
    stored = rows("SELECT xmin, e FROM student_embeddings e ORDER BY student_id")
    edges = rows("SELECT xmin, e FROM student_similarity e ORDER BY a, b")
    sleeper.signal(signal.SIGCONT)
    eventually(lambda: idle(name), cluster.output)
    assert rows("SELECT xmin, e FROM student_embeddings e ORDER BY student_id") == stored
    assert rows("SELECT xmin, e FROM student_similarity e ORDER BY a, b") == edges
    # Who slept is of use again, and its copy of the graph is right.
    cluster.tell([checkout(f"S{n}", f"B{n + 2}") for n in range(10)])
    cluster.all_fresh()
    assert_derived_is_right()


def test_a_worker_stalled_with_the_turn_to_write_the_graph_loses_it(cluster: Cluster) -> None:
    _, sleeper, _ = cluster.start_all()
    name = the_worker()
    with locked("SELECT pg_advisory_xact_lock(hashtext('kinfold.graph'))"):
        shelve(*books(20))
        cluster.tell([checkout(f"S{n}", f"B{n}") for n in range(20)])
        eventually(lambda: storing("kinfold.graph"), cluster.output)
        eventually(lambda: not idle(name), cluster.output)
        sleeper.signal(signal.SIGSTOP)
    cluster.tell([checkout(f"S{n}", f"B{n + 1}") for n in range(10)])
    cluster.start_worker()
    cluster.all_fresh(keys=40)
    seen = rows("SELECT a, b, sim FROM student_similarity ORDER BY a, b")
    sleeper.signal(signal.SIGCONT)
    eventually(lambda: idle(name), cluster.output)
    assert rows("SELECT a, b, sim FROM student_similarity ORDER BY a, b") == seen
    cluster.tell([checkout(f"S{n}", f"B{n + 2}") for n in range(10)])
    cluster.all_fresh()
    assert_derived_is_right()
