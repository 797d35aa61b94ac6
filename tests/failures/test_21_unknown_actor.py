"""Case 21: a message that this deployment has no actor for is kept, seen, and runs later."""

from datetime import datetime

from tests.failures.cluster import Cluster
from tests.failures.truth import assert_derived_is_right
from tests.library import books, change, checkout, rows, shelve
from tests.processes import eventually
from workers.core.vocabulary import Queue
from workers.jobs.queues import dead_messages, requeue_messages

NEW = {"dramatiq actors": "dramatiq actors tests.failures.later_actor"}


def dead() -> dict[str, tuple[object, ...]]:
    """Arguments of each dead message of the new actor, by id."""
    return {m.id: m.args for m in dead_messages(Queue.live) if m.actor == "greet_student"}


def deaths() -> dict[str, datetime]:
    """When each dead message died, by id."""
    return {m.id: m.died_at for m in dead_messages(Queue.live) if m.died_at}


def test_messages_of_an_actor_that_was_rolled_back_wait_as_dead_and_run_when_it_is_back(
    cluster: Cluster,
) -> None:
    _, old, _ = cluster.start_all()
    for student in ("S1", "S2", "S3"):
        cluster.send("live", "greet_student", student)
    # Others that stand behind them are not held up.
    shelve(*books(5))
    cluster.tell([checkout(f"S{n}", f"B{n}") for n in range(5)])
    cluster.all_fresh(keys=10)
    eventually(lambda: len(dead()) == 3, cluster.output)
    assert sorted(dead().values()) == [("S1",), ("S2",), ("S3",)]
    assert all(m.queue == "live" for m in dead_messages(Queue.live))

    # Too early: it is dead again, and not lost.
    (first,) = (message_id for message_id, args in dead().items() if args == ("S1",))
    died_at = deaths()[first]
    assert requeue_messages(Queue.live, [first]) == 1
    eventually(lambda: deaths().get(first, died_at) > died_at, cluster.output)

    old.end()
    new = cluster.start_worker(edits=NEW)
    assert requeue_messages(Queue.live, [m for m, args in dead().items() if args != ("S3",)]) == 2
    eventually(lambda: new.output.count("student_greeted") == 2, lambda: new.output)
    assert list(dead().values()) == [("S3",)]
    assert requeue_messages(Queue.live, list(dead())) == 1
    new.says("student_greeted", times=3)
    assert dead_messages(Queue.live) == []
    cluster.all_fresh()
    assert_derived_is_right()


def test_a_message_with_arguments_that_its_actor_does_not_take_is_kept_as_dead(
    cluster: Cluster,
) -> None:
    worker = cluster.start_worker()
    cluster.send("live", "recompute_student", "S1", "with a second argument")
    eventually(lambda: dead_messages(Queue.live), cluster.output)
    ((message),) = dead_messages(Queue.live)
    assert (message.actor, message.args) == ("recompute_student", ("S1", "with a second argument"))
    assert worker.running


def test_keys_and_runs_of_kinds_that_were_rolled_back_hold_up_nothing(cluster: Cluster) -> None:
    change(
        "INSERT INTO freshness"
        " (kind, key, attempts, lease_token, lease_until, leased_by, leased_at)"
        " VALUES ('later_kind', 'K1', 99, gen_random_uuid(), now(), 'gone', now())"
    )
    change(
        "INSERT INTO runs (run_id, kind, last_sent)"
        " VALUES (gen_random_uuid(), 'later_run', '-infinity')"
    )
    cluster.start_web()
    cluster.start_scheduler()
    shelve(*books(5))
    cluster.tell([checkout(f"S{n}", f"B{n}") for n in range(5)])
    cluster.servers.wipe_redis()
    worker = cluster.start_worker()
    eventually(lambda: fresh() == 10, cluster.output)
    assert worker.running
    # They wait for the deployment that knows them.
    assert rows("SELECT dead_at FROM freshness WHERE kind = 'later_kind'") == [(None,)]
    assert rows("SELECT state FROM runs") == [("queued",)]


def fresh() -> int:
    """Keys of all kinds."""
    ((count,),) = rows("SELECT count(*) FROM freshness WHERE wanted = done")
    return int(count)
