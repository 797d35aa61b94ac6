"""Case 19: live updates do not wait behind thousands of batch jobs."""

from tests.failures.cluster import Cluster
from tests.failures.truth import assert_derived_is_right
from tests.library import books, checkout, shelve
from tests.processes import eventually
from workers.core.stores import broker_redis
from workers.jobs.queues import NAMESPACE

MESSAGES = 10_000
STUDENTS = 40


def left_to_do() -> int:
    """Batch messages that nobody has finished."""
    return int(broker_redis().hlen(f"{NAMESPACE}:batch.msgs"))


def test_live_keys_become_fresh_while_thousands_of_batch_jobs_wait(cluster: Cluster) -> None:
    cluster.start_web()
    cluster.start_scheduler()
    cluster.start_worker()
    shelve(*books(20))
    cluster.send_prunings(MESSAGES)
    cluster.start_worker("batch")
    eventually(lambda: left_to_do() < MESSAGES, cluster.output)
    left: list[int] = []
    for days_ago in range(3):
        left.append(left_to_do())
        cluster.tell([checkout(f"S{n}", f"B{n % 20}", days_ago) for n in range(STUDENTS)])
        cluster.all_fresh(keys=2 * STUDENTS)
        # Had they stood in line, none would be left.
        assert left_to_do() > MESSAGES / 5
        eventually(lambda: left_to_do() < min(left), cluster.output)
    assert_derived_is_right()
