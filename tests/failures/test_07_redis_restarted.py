"""Case 7: Redis is restarted with its data: what waits, what is delayed and what runs goes on."""

from tests.failures.breaking import REASON, break_vectors_of, mend_vectors
from tests.failures.cluster import Cluster
from tests.failures.held import locked, storing
from tests.failures.messages import send_delayed, unfinished, waiting
from tests.failures.truth import assert_derived_is_right
from tests.library import books, checkout, make_due, rows, shelve
from tests.processes import eventually

AN_HOUR_S = 3600


def state_of(student_id: str) -> list[tuple[str | None, int, bool]]:
    return rows(
        "SELECT error, attempts, not_before > now() FROM freshness"
        " WHERE kind = 'student_embedding' AND key = %s",
        student_id,
    )


def test_a_retry_that_waits_survives_although_the_worker_forgets_its_delayed_messages(
    cluster: Cluster,
) -> None:
    # A retry is due after half an hour at least, so it surely waits when Redis goes.
    cluster.start_all(RETRY_BASE_SECONDS=AN_HOUR_S, RETRY_MAX_SECONDS=AN_HOUR_S)
    break_vectors_of("S1")
    shelve(*books(2))
    cluster.tell([checkout("S0", "B0"), checkout("S1", "B1")])
    eventually(lambda: state_of("S1")[0][2], cluster.output)
    ((error, attempts, _),) = state_of("S1")
    assert REASON in str(error)
    assert attempts == 1
    # Dramatiq's own delay would lose it: the worker holds the message and forgets it.
    send_delayed(cluster.servers, "S1", delay_ms=AN_HOUR_S * 1000)
    eventually(lambda: waiting(cluster.servers, "live.DQ") == 0, cluster.output)
    assert unfinished(cluster.servers, "live.DQ") == 1

    cluster.servers.redis.restart()
    mend_vectors()
    make_due()
    cluster.all_fresh(keys=4)
    assert all(line.running for line in cluster.lines), cluster.output()
    assert_derived_is_right()


def test_messages_that_no_worker_had_fetched_are_still_there(cluster: Cluster) -> None:
    cluster.start_web()
    shelve(*books(2))
    cluster.tell([checkout("S0", "B0"), checkout("S1", "B1")])
    before = waiting(cluster.servers)
    assert before > 0
    cluster.servers.redis.restart()
    assert waiting(cluster.servers) == before
    # No scheduler: the messages themselves have to do it.
    cluster.start_worker()
    cluster.all_fresh(keys=4)
    assert_derived_is_right()


def test_a_job_that_runs_meanwhile_ends_and_its_worker_takes_messages_again(
    cluster: Cluster,
) -> None:
    _, worker, _ = cluster.start_all(LEASE_SECONDS=300)
    with locked("LOCK TABLE student_embeddings IN SHARE MODE") as lock:
        shelve(*books(2))
        cluster.tell([checkout("S0", "B0"), checkout("S1", "B1")])
        eventually(lambda: storing("INSERT INTO student_embeddings") == 1, cluster.output)
        cluster.servers.redis.restart()
        lock.rollback()
    cluster.all_fresh(keys=4)
    # Nobody else did it meanwhile, and no attempt failed.
    found = rows("SELECT key, error FROM attempts WHERE kind = 'student_embedding' ORDER BY key")
    assert found == [("S0", None), ("S1", None)]
    cluster.tell([checkout("S0", "B1")])
    cluster.all_fresh(keys=4)
    assert worker.running
    assert_derived_is_right()
