"""Case 6: Redis is wiped after 1,000 accepted events: every key becomes fresh."""

from tests.failures.cluster import Cluster
from tests.failures.held import locked, storing
from tests.failures.messages import unfinished
from tests.failures.truth import assert_derived_is_right
from tests.library import books, checkout, rows, shelve
from tests.processes import eventually

STUDENTS = 1000


def test_after_a_thousand_events_a_wiped_redis_loses_nothing(cluster: Cluster) -> None:
    # Small batches, so that the queue is full of messages.
    cluster.start_all(EMBEDDING_BATCH_SIZE=10, NEIGHBOR_BATCH_SIZE=100)
    shelve(*books(20))
    # Nothing is stored yet when Redis is wiped: each thread of the worker waits with its batch.
    with locked("LOCK TABLE student_embeddings IN SHARE MODE") as lock:
        for n in range(0, STUDENTS, 10):
            cluster.tell([checkout(f"S{m}", f"B{m % 20}") for m in range(n, n + 10)])
        eventually(lambda: storing("INSERT INTO student_embeddings") == 4, cluster.output)
        assert unfinished(cluster.servers) > 4
        cluster.servers.wipe_redis()
        lock.rollback()
    # And again with half of the embeddings done, and neighbours at any stage.
    eventually(
        lambda: rows("SELECT count(*) FROM student_embeddings") >= [(STUDENTS // 2,)],
        cluster.output,
    )
    cluster.servers.wipe_redis()
    cluster.all_fresh(keys=2 * STUDENTS)
    assert rows("SELECT count(*) FROM student_embeddings") == [(STUDENTS,)]
    assert_derived_is_right()
