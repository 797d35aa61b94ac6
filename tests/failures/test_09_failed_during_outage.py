"""Case 9: a job fails while Redis is down: it is tried again all the same."""

from tests.embeddings_server import EmbeddingsServer, Fault
from tests.failures.breaking import REASON, break_vectors_of, mend_vectors
from tests.failures.cluster import Cluster
from tests.failures.held import Held, locked, storing
from tests.failures.truth import assert_derived_is_right
from tests.library import books, checkout, rows, shelve
from tests.processes import eventually


def failures() -> list[str]:
    found = rows("SELECT error FROM attempts WHERE error IS NOT NULL AND key = 'S1'")
    return [error for (error,) in found]


def test_a_job_that_fails_during_an_outage_of_redis_is_tried_again(cluster: Cluster) -> None:
    cluster.start_all()
    shelve(*books(2))
    break_vectors_of("S1")
    with locked("LOCK TABLE student_profiles IN SHARE MODE") as lock:
        cluster.tell([checkout("S0", "B0"), checkout("S1", "B1")])
        eventually(lambda: storing("INSERT INTO student_profiles") == 1, cluster.output)
        cluster.servers.redis.stop()
        lock.rollback()
    eventually(failures, cluster.output)
    mend_vectors()
    assert REASON in failures()[0]
    assert rows(
        "SELECT key FROM student_embeddings JOIN freshness ON key = student_id"
        " WHERE kind = 'student_embedding' AND wanted = done"
    ) == [("S0",)]

    cluster.servers.redis.start()
    cluster.all_fresh(keys=4)
    assert_derived_is_right()


def test_a_provider_that_fails_during_an_outage_of_redis_burns_no_attempt(
    cluster: Cluster, provider: EmbeddingsServer
) -> None:
    provider.before_answer = held = Held()
    provider.fail_next(Fault("status", 503))
    cluster.start_all(EMBEDDING_TIMEOUT_S=120, LEASE_SECONDS=300, MAX_ATTEMPTS=1)
    shelve(*books(2))
    cluster.tell([checkout("S1", "B1")])
    held.wait_for()
    cluster.servers.redis.stop()
    held.let_go()
    eventually(failures, cluster.output)
    assert rows("SELECT attempts, dead_at FROM freshness") == [(0, None)]

    cluster.servers.redis.start()
    cluster.all_fresh(keys=2)
    assert_derived_is_right()


def test_an_answer_of_the_provider_during_an_outage_of_redis_is_stored_and_not_bought_again(
    cluster: Cluster, provider: EmbeddingsServer
) -> None:
    provider.before_answer = held = Held()
    cluster.start_all(EMBEDDING_TIMEOUT_S=120, LEASE_SECONDS=300)
    shelve(*books(2))
    cluster.tell([checkout("S1", "B1")])
    held.wait_for()
    cluster.servers.redis.stop()
    held.let_go()
    eventually(lambda: rows("SELECT FROM student_embeddings"), cluster.output)

    cluster.servers.redis.start()
    cluster.all_fresh(keys=2)
    assert len(provider.requests) == 1
    assert failures() == []
    assert_derived_is_right()
