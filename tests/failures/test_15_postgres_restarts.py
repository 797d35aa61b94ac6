"""Case 15: Postgres is restarted mid-claim, mid-job and mid-write: nothing accepted is lost."""

import signal
import threading
from collections.abc import Callable

import pytest

from tests.embeddings_server import EmbeddingsServer
from tests.failures.cluster import Cluster, Line
from tests.failures.held import Held, locked, storing
from tests.failures.truth import assert_derived_is_right
from tests.library import books, checkout, rows, shelve
from tests.processes import eventually
from workers.core.vocabulary import Kind, Queue
from workers.jobs.queues import pause_queue, resume_queue

# A restart by hand, and a server process that died.
WAYS = pytest.mark.parametrize("way", [None, signal.SIGQUIT], ids=["fast", "crash"])


def restart_postgres(cluster: Cluster, scheduler: Line, way: signal.Signals | None) -> None:
    """And the scheduler, whose lock is gone, as its supervisor does."""
    led = scheduler.output.count("scheduler_leads")
    cluster.servers.postgres.restart(way)
    eventually(lambda: not scheduler.running, cluster.output)
    scheduler.start()
    scheduler.says("scheduler_leads", times=led + 1)


def without_result() -> list[str]:
    """Students whose embedding is said to be done, and is not that of the event it is said of.

    Of students with one event each: what lands between a claim and the reading of the facts is in
    the vector already when its own run comes, and that leaves the vector as it is.
    """
    found = rows(
        "SELECT key FROM freshness f LEFT JOIN student_embeddings e ON e.student_id = f.key"
        " WHERE kind = %s AND done > 0 AND e.last_event IS DISTINCT FROM f.done_event",
        Kind.student_embedding,
    )
    return [key for (key,) in found]


@WAYS
def test_postgres_restarted_while_keys_are_claimed(
    cluster: Cluster, way: signal.Signals | None
) -> None:
    _, worker, scheduler = cluster.start_all()
    pause_queue(Queue.live, "test")
    shelve(*books(20))
    cluster.tell([checkout(f"S{n}", f"B{n}") for n in range(20)])
    with locked("LOCK TABLE freshness IN EXCLUSIVE MODE") as blocker:
        resume_queue(Queue.live)
        eventually(lambda: storing("FROM due"), cluster.output)
        restart_postgres(cluster, scheduler, way)
        blocker.close()
    assert without_result() == []
    cluster.all_fresh(keys=40)
    assert worker.running
    assert without_result() == []
    assert_derived_is_right()


@WAYS
def test_postgres_restarted_while_the_provider_is_asked(
    cluster: Cluster,
    provider: EmbeddingsServer,
    configure: Callable[..., None],
    way: signal.Signals | None,
) -> None:
    configure(EMBEDDING_TIMEOUT_S=300, LEASE_SECONDS=300)
    provider.before_answer = answer = Held()
    _, worker, scheduler = cluster.start_all()
    shelve(*books(20))
    cluster.tell([checkout(f"S{n}", f"B{n}") for n in range(20)])
    answer.wait_for()
    restart_postgres(cluster, scheduler, way)
    assert rows("SELECT FROM freshness WHERE done > 0") == []
    answer.let_go()
    cluster.all_fresh(keys=40)
    assert len(provider.requests) == 1
    assert worker.running
    assert without_result() == []
    assert_derived_is_right()


@WAYS
def test_postgres_restarted_while_results_are_written(
    cluster: Cluster, way: signal.Signals | None
) -> None:
    _, worker, scheduler = cluster.start_all()
    with locked("LOCK TABLE student_embeddings IN SHARE MODE") as blocker:
        shelve(*books(20))
        cluster.tell([checkout(f"S{n}", f"B{n}") for n in range(20)])
        eventually(lambda: storing("INSERT INTO student_embeddings"), cluster.output)
        restart_postgres(cluster, scheduler, way)
        blocker.close()
    assert without_result() == []
    cluster.all_fresh(keys=40)
    assert worker.running
    assert without_result() == []
    assert_derived_is_right()


@WAYS
def test_postgres_restarted_while_the_graph_is_written(
    cluster: Cluster, way: signal.Signals | None
) -> None:
    _, worker, scheduler = cluster.start_all()
    with locked("LOCK TABLE graph_changes IN SHARE MODE") as blocker:
        shelve(*books(20))
        cluster.tell([checkout(f"S{n}", f"B{n}") for n in range(40)])
        eventually(lambda: storing("INSERT INTO graph_changes"), cluster.output)
        restart_postgres(cluster, scheduler, way)
        blocker.close()
    cluster.all_fresh(keys=80)
    assert worker.running
    assert_derived_is_right()


@WAYS
def test_events_sent_across_a_restart_until_they_are_accepted_take_effect_once(
    cluster: Cluster, way: signal.Signals | None
) -> None:
    _, _, scheduler = cluster.start_all()
    shelve(*books(20))
    caller = Caller(cluster)
    caller.start()
    for _ in range(2):
        caller.wait_for_more(20)
        restart_postgres(cluster, scheduler, way)
    caller.wait_for_more(20)
    caller.stop()
    stored = {str(event_id) for (event_id,) in rows("SELECT event_id FROM events")}
    assert caller.accepted <= stored
    added = "checkout_added"
    assert rows("SELECT count(*) FROM events WHERE event_type = %s", added) == [(caller.sent,)]
    assert rows("SELECT count(*) FROM checkouts") == [(caller.sent,)]
    cluster.all_fresh(keys=2)
    assert_derived_is_right()


class Caller:
    """Tells one loan after the other; each until it is accepted, under the same id."""

    def __init__(self, cluster: Cluster) -> None:
        self.sent = 0
        self.accepted: set[str] = set()
        self._cluster = cluster
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.start = self._thread.start

    def _run(self) -> None:
        while not self._stop.is_set():
            loan = checkout(f"S{self.sent % 30}", f"B{self.sent % 20}", days_ago=self.sent // 30)
            event = loan.model_dump(mode="json", exclude_unset=True)
            while True:
                answer = self._cluster.post("/events", event | {"event_id": event_id(self.sent)})
                if answer.status_code == 202:
                    break
                assert answer.status_code == 503, answer.text
            self.accepted.update(answer.json()["event_ids"])
            self.sent += 1

    def wait_for_more(self, events: int) -> None:
        enough = self.sent + events
        eventually(lambda: self.sent >= enough or not self._thread.is_alive(), self._cluster.output)
        assert self._thread.is_alive()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def event_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"
