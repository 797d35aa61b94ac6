"""Case 10: a worker is killed in the middle of a job: rerun after the lease, nothing half done."""

import pytest

from tests.embeddings_server import EmbeddingsServer
from tests.failures.cluster import Cluster
from tests.failures.held import Held, locked, storing
from tests.failures.readers import reading
from tests.failures.truth import assert_derived_is_right, assert_nothing_is_half_written
from tests.graph import stored_lists
from tests.library import books, checkout, rows, shelve
from tests.processes import eventually
from workers.core.settings import settings
from workers.jobs.lease import LOST_WORKER

pytestmark = pytest.mark.slow

STUDENTS = 20


def tell_all(cluster: Cluster, days_ago: int) -> None:
    """Every student's vector and list change."""
    cluster.tell([checkout(f"S{n}", f"B{(n + days_ago) % 7}", days_ago) for n in range(STUDENTS)])


def assert_readers_see_whole_lists() -> None:
    assert_nothing_is_half_written()
    lists = stored_lists()
    assert {a: len(found) for a, found in lists.items()} == dict.fromkeys(
        (f"S{n}" for n in range(STUDENTS)), settings().max_neighbors
    )


def held_keys(kind: str) -> set[str]:
    found = rows("SELECT key FROM freshness WHERE kind = %s AND lease_token IS NOT NULL", kind)
    return {key for (key,) in found}


@pytest.mark.parametrize(
    ("kind", "lock", "write"),
    [
        pytest.param(
            "student_embedding",
            "LOCK TABLE student_profiles IN SHARE MODE",
            "INSERT INTO student_profiles",
            id="before it stores anything",
        ),
        pytest.param(
            "student_embedding",
            "SELECT FROM freshness WHERE kind = 'student_neighbors' FOR UPDATE",
            "INSERT INTO freshness",
            id="with vectors stored and not committed",
        ),
        pytest.param(
            "student_neighbors",
            "LOCK TABLE graph_changes IN SHARE MODE",
            "INSERT INTO graph_changes",
            id="with lists stored and not committed",
        ),
    ],
)
def test_the_keys_of_a_killed_worker_run_again_and_readers_see_nothing_half_written(
    cluster: Cluster, kind: str, lock: str, write: str
) -> None:
    _, worker, _ = cluster.start_all()
    shelve(*books(7))
    tell_all(cluster, days_ago=1)
    cluster.all_fresh(keys=2 * STUDENTS)
    before = stored_lists()
    with reading(assert_readers_see_whole_lists):
        with locked(lock):
            tell_all(cluster, days_ago=0)
            eventually(lambda: storing(write), cluster.output)
            worker.kill()
            lost = held_keys(kind)
            assert lost
            assert stored_lists() == before
        worker.start()
        cluster.all_fresh(keys=2 * STUDENTS)
    noted = rows(
        "SELECT DISTINCT key FROM attempts WHERE kind = %s AND error = %s", kind, LOST_WORKER
    )
    assert {key for (key,) in noted} >= lost
    assert stored_lists() != before
    assert_derived_is_right()


def test_a_worker_killed_while_the_provider_is_asked_leaves_everything_as_it_was(
    cluster: Cluster, provider: EmbeddingsServer
) -> None:
    _, worker, _ = cluster.start_all(EMBEDDING_TIMEOUT_S=120)
    shelve(*books(7))
    tell_all(cluster, days_ago=1)
    cluster.all_fresh(keys=2 * STUDENTS)
    before = stored_lists()
    provider.before_answer = held = Held()
    with reading(assert_nothing_is_half_written):
        tell_all(cluster, days_ago=0)
        held.wait_for()
        worker.kill()
        held.let_go()
        assert held_keys("student_embedding")
        assert stored_lists() == before
        worker.start()
        cluster.all_fresh(keys=2 * STUDENTS)
    assert_derived_is_right()
