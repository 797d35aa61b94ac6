"""Case 20: of a paused queue nothing starts and nothing is lost; resumed, it drains."""

from collections.abc import Callable

from tests.embeddings_server import EmbeddingsServer
from tests.failures.cluster import Cluster
from tests.failures.held import Held
from tests.failures.truth import assert_derived_is_right
from tests.library import books, checkout, rows, shelve
from tests.processes import eventually
from workers.core.stores import broker_redis
from workers.core.vocabulary import Queue
from workers.jobs.queues import NAMESPACE, pause_queue, resume_queue

PRUNINGS = 20


def waiting(queue: Queue) -> int:
    """Messages that lie in a queue and are with no worker."""
    return int(broker_redis().llen(f"{NAMESPACE}:{queue}"))


def unfinished(queue: Queue) -> int:
    """Messages that lie there or are with a worker."""
    return int(broker_redis().hlen(f"{NAMESPACE}:{queue}.msgs"))


def borrow(cluster: Cluster, students: range, days_ago: int = 0) -> None:
    """One request and so one message for each student."""
    for n in students:
        cluster.tell([checkout(f"S{n}", f"B{n % 20}", days_ago)])


def nothing_starts(cluster: Cluster, worker: str) -> None:
    """Through some of its heartbeats, and so of the reconciler's passes, a worker does nothing."""
    tries = rows("SELECT kind, key, worker, started_at FROM attempts ORDER BY attempt_id")
    for _ in range(3):
        ((seen_at,),) = rows("SELECT seen_at FROM workers WHERE worker = %s", worker)
        eventually(
            lambda: rows("SELECT FROM workers WHERE worker=%s AND seen_at>%s", worker, seen_at),  # noqa: B023  # called at once
            cluster.output,
        )
        assert rows("SELECT jobs FROM workers WHERE worker = %s", worker) == [([],)]
    found = rows("SELECT kind, key, worker, started_at FROM attempts ORDER BY attempt_id")
    assert found == tries
    assert rows("SELECT FROM freshness WHERE lease_token IS NOT NULL") == []
    assert rows("SELECT FROM runs WHERE state = 'running'") == []


def newest_worker() -> str:
    """Its name."""
    ((worker,),) = rows("SELECT worker FROM workers ORDER BY started_at DESC LIMIT 1")
    return str(worker)


def test_events_to_a_paused_queue_are_accepted_and_wait_until_it_is_resumed(
    cluster: Cluster,
) -> None:
    cluster.start_all()
    shelve(*books(20))
    pause_queue(Queue.live, "test")
    borrow(cluster, range(30))
    nothing_starts(cluster, newest_worker())
    assert waiting(Queue.live) == 30
    assert rows("SELECT count(*) FROM freshness WHERE wanted > done AND attempts = 0") == [(30,)]
    resume_queue(Queue.live)
    cluster.all_fresh(keys=60)
    eventually(lambda: unfinished(Queue.live) == 0, cluster.output)
    assert_derived_is_right()


def test_what_is_running_ends_and_what_was_fetched_before_the_pause_goes_back(
    cluster: Cluster, provider: EmbeddingsServer, configure: Callable[..., None]
) -> None:
    configure(EMBEDDING_TIMEOUT_S=300)
    provider.before_answer = answer = Held()
    cluster.start_web()
    cluster.start_worker(
        edits={"queue_prefetch=${WORKER_THREADS:-4}": "queue_prefetch=50"}, WORKER_THREADS=1
    )
    shelve(*books(20))
    cluster.tell([checkout("S0", "B0")])
    answer.wait_for()
    borrow(cluster, range(1, 20))
    eventually(lambda: waiting(Queue.live) == 0, cluster.output)
    assert unfinished(Queue.live) == 20
    pause_queue(Queue.live, "test")
    cluster.start_scheduler()
    answer.let_go()
    eventually(lambda: rows("SELECT FROM student_embeddings"), cluster.output)
    # The neighbours of the one that was running follow it into the queue.
    eventually(lambda: waiting(Queue.live) == unfinished(Queue.live) == 20, cluster.output)
    nothing_starts(cluster, newest_worker())
    assert waiting(Queue.live) == unfinished(Queue.live) == 20
    assert rows("SELECT student_id FROM student_embeddings") == [("S0",)]
    resume_queue(Queue.live)
    cluster.all_fresh(keys=40)
    eventually(lambda: unfinished(Queue.live) == 0, cluster.output)
    assert_derived_is_right()


def test_a_run_waits_while_its_queue_is_paused(cluster: Cluster) -> None:
    cluster.start_all()
    shelve(*books(20))
    cluster.tell([checkout(f"S{n}", f"B{n % 20}") for n in range(40)])
    cluster.all_fresh(keys=80)
    cluster.start_worker("batch")
    pause_queue(Queue.batch, "test")
    run_id = cluster.post("/neighbors/rebuild").json()["run_id"]
    nothing_starts(cluster, newest_worker())
    assert cluster.get(f"/runs/{run_id}")["state"] == "queued"
    # The other queue goes on.
    cluster.tell([checkout("S1", "B2")])
    cluster.all_fresh()
    resume_queue(Queue.batch)
    eventually(lambda: cluster.get(f"/runs/{run_id}")["state"] == "done", cluster.output)
    cluster.all_fresh()
    assert_derived_is_right()


def test_messages_outlast_workers_that_are_killed_and_started_while_their_queue_is_paused(
    cluster: Cluster,
) -> None:
    pause_queue(Queue.batch, "test")
    cluster.send_prunings(PRUNINGS)
    batch = cluster.start_worker("batch")
    nothing_starts(cluster, newest_worker())
    eventually(lambda: waiting(Queue.batch) == unfinished(Queue.batch) == PRUNINGS, cluster.output)
    batch.kill()
    batch = cluster.start_worker("batch")
    nothing_starts(cluster, newest_worker())
    eventually(lambda: waiting(Queue.batch) == unfinished(Queue.batch) == PRUNINGS, cluster.output)
    resume_queue(Queue.batch)
    batch.says("history_pruned", times=PRUNINGS)
    eventually(lambda: unfinished(Queue.batch) == 0, cluster.output)
    assert sum(line.output.count("history_pruned") for line in cluster.lines) == PRUNINGS


def test_keys_and_runs_outlast_a_redis_that_is_wiped_while_their_queues_are_paused(
    cluster: Cluster,
) -> None:
    cluster.start_all()
    cluster.start_worker("batch")
    shelve(*books(20))
    pause_queue(Queue.live, "test")
    pause_queue(Queue.batch, "test")
    borrow(cluster, range(20))
    run_id = cluster.post("/neighbors/rebuild").json()["run_id"]
    nothing_starts(cluster, newest_worker())
    cluster.servers.wipe_redis()
    nothing_starts(cluster, newest_worker())
    # What is overdue is not sent either: it would pile up there.
    assert waiting(Queue.live) == waiting(Queue.batch) == 0
    resume_queue(Queue.live)
    resume_queue(Queue.batch)
    cluster.all_fresh(keys=40)
    eventually(lambda: cluster.get(f"/runs/{run_id}")["state"] == "done", cluster.output)
    assert_derived_is_right()
