"""Case 2: an event during a run is one more run, whenever in the run it comes."""

from concurrent.futures import ThreadPoolExecutor

from tests.embeddings_server import EmbeddingsServer
from tests.failures.cluster import Cluster
from tests.failures.held import Held, locked, storing
from tests.failures.truth import assert_derived_is_right
from tests.library import books, checkout, rows, shelve
from tests.processes import eventually

PATIENT = {"EMBEDDING_TIMEOUT_S": 120, "LEASE_SECONDS": 300}


def runs() -> list[int]:
    """The watermark that each run of the student's embedding has reached."""
    found = rows(
        "SELECT wanted FROM attempts WHERE kind = 'student_embedding' AND error IS NULL"
        " ORDER BY attempt_id"
    )
    return [wanted for (wanted,) in found]


def reflected_events() -> list[str]:
    return [event for (event,) in rows("SELECT last_event::text FROM student_embeddings")]


def test_events_while_the_provider_is_asked_are_exactly_one_more_run_that_covers_the_last(
    cluster: Cluster, provider: EmbeddingsServer
) -> None:
    provider.before_answer = held = Held()
    cluster.start_all(**PATIENT)
    shelve(*books(5))
    cluster.tell([checkout("S1", "B0")])
    held.wait_for()
    accepted = [cluster.tell([checkout("S1", f"B{n}")]) for n in range(1, 5)]
    assert runs() == []

    held.let_go()
    cluster.all_fresh(keys=2)
    assert runs() == [1, 5]
    assert len(provider.requests) == 2
    assert reflected_events() == accepted[-1]["event_ids"]
    assert_derived_is_right()


def test_an_event_while_the_result_is_stored_is_exactly_one_more_run(cluster: Cluster) -> None:
    cluster.start_all(**PATIENT)
    shelve(*books(2))
    with (
        ThreadPoolExecutor(1) as client,
        locked("LOCK TABLE student_embeddings IN SHARE MODE") as lock,
    ):
        cluster.tell([checkout("S1", "B0")])
        eventually(lambda: storing("INSERT INTO student_embeddings") == 1, cluster.output)
        # Its row of the ledger belongs to the worker by now.
        telling = client.submit(cluster.tell, [checkout("S1", "B1")])
        eventually(lambda: storing("INSERT INTO freshness") == 1, cluster.output)
        assert runs() == []
        lock.rollback()
        accepted = telling.result()
    cluster.all_fresh(keys=2)
    assert runs() == [1, 2]
    assert reflected_events() == accepted["event_ids"]
    assert_derived_is_right()
