"""Queues: what is held back, and what lies dead in them."""

import json
from typing import Any
from uuid import uuid4

import pytest
from dramatiq import Message

from actors import broker
from tests.library import checkout, ledger, rows
from tests.work_off import work_off
from workers.core.stores import broker_redis, connection
from workers.core.vocabulary import Kind, Queue
from workers.ingest.record import record_events
from workers.jobs import queues
from workers.jobs.runs import RunKind, create_run, find_waiting, leased_run
from workers.ledger.freshness import claim, find_overdue

pytestmark = pytest.mark.usefixtures("stores")


def bury(actor: str, *args: str) -> str:
    """A message that a worker would not take."""
    message_id = str(uuid4())
    message: Message[None] = Message(
        queue_name="live", actor_name=actor, args=args, kwargs={}, options={}
    )
    message = message.copy(options={"redis_message_id": message_id})
    broker.do_enqueue("live", message_id, message.encode())
    broker.do_fetch("live", 1)
    broker.do_nack("live", message_id)
    return message_id


def test_nothing_of_a_paused_queue_is_claimed_or_sent_and_nothing_is_lost() -> None:
    notifications = record_events([checkout("S1", "B1")]).notifications
    assert queues.pause_queue(Queue.live, "ops")
    assert not queues.pause_queue(Queue.live, "ops")
    assert queues.paused_queues() == {"live"}
    with connection() as conn:
        conn.execute("UPDATE freshness SET last_sent = now() - interval '1 hour'")
    assert claim(Kind.student_embedding, "S1") is None
    assert find_overdue() == []
    work_off(notifications)
    assert ledger(Kind.student_embedding, "done", "attempts") == {"S1": (0, 0)}
    assert queues.resume_queue(Queue.live)
    assert not queues.resume_queue(Queue.live)
    assert find_overdue() == notifications
    work_off(notifications)
    assert ledger(Kind.student_embedding, "done") == {"S1": (1,)}


def test_a_paused_queue_leaves_the_other_alone() -> None:
    queues.pause_queue(Queue.batch, "ops")
    work_off(record_events([checkout("S1", "B1")]).notifications)
    assert ledger(Kind.student_embedding, "done") == {"S1": (1,)}


def test_a_purge_that_redis_does_twice_removes_nothing_that_came_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when the first answer came too late and the client asked again."""
    client = broker_redis()
    once = client.eval

    def twice(*call: Any) -> object:
        once(*call)
        broker.get_actor("recompute_student").send("later")
        return once(*call)

    for student_id in ("S1", "S2"):
        broker.get_actor("recompute_student").send(student_id)
    monkeypatch.setattr(client, "eval", twice)
    queues.purge_queue(Queue.live)
    assert client.llen("dramatiq:live") == 1


def test_a_run_waits_while_its_queue_is_paused() -> None:
    run_id = create_run(RunKind.rebuild_neighbors)
    with connection() as conn:
        conn.execute("UPDATE runs SET last_sent = now() - interval '1 hour'")
    queues.pause_queue(Queue.batch, "ops")
    assert find_waiting() == []
    with leased_run(run_id) as hold:
        assert hold is None
    assert rows("SELECT state, attempts FROM runs") == [("queued", 0)]
    queues.resume_queue(Queue.batch)
    assert find_waiting() == [(run_id, RunKind.rebuild_neighbors)]
    with leased_run(run_id) as hold:
        assert hold is not None


def test_a_dead_message_is_seen_with_its_arguments_and_can_be_requeued() -> None:
    first, second = bury("renamed_actor", "S1"), bury("renamed_actor", "S2")
    found = queues.dead_messages(Queue.live)
    assert {(m.id, m.actor, m.args) for m in found} == {
        (first, "renamed_actor", ("S1",)),
        (second, "renamed_actor", ("S2",)),
    }
    assert queues.requeue_messages(Queue.live, [first, "unknown"]) == 1
    assert [m.id for m in queues.dead_messages(Queue.live)] == [second]
    (data,) = broker.do_fetch("live", 10)
    assert json.loads(data)["args"] == ["S1"]


def test_a_discarded_message_is_gone() -> None:
    message_id = bury("renamed_actor", "S1")
    assert queues.discard_messages(Queue.live, [message_id, "unknown"]) == 1
    assert queues.dead_messages(Queue.live) == []
    assert broker.do_fetch("live", 10) == []
    assert queues.discard_messages(Queue.live, []) == queues.requeue_messages(Queue.live, []) == 0
