"""Firings: recorded before they are sent, worked on once, and what becomes of them."""

from contextlib import ExitStack
from datetime import timedelta

import pytest

import scheduler
from actors import broker
from actors.firings import fire, send_waiting
from actors.reconciler import reconcile
from actors.runs import begin_run
from tests.collection import Documents
from tests.firings import EVERY_2_HOURS, START, Sent, job, queued
from tests.library import change, rows
from workers.core.stores import stores
from workers.jobs.heartbeats import CurrentJob, beat
from workers.jobs.runs import RunKind, cancel_run, create_run
from workers.jobs.schedules import (
    Firing,
    enable_job,
    find_unsent,
    forget_other_jobs,
    leased_firing,
    list_firings,
    record_firing,
    register_job,
    request_firing,
    unfired_since,
)

usable = pytest.mark.usefixtures("stores")


def last_firing(job: str = "test_job") -> Firing:
    return list_firings(job, 1)[0]


@pytest.fixture
def in_table(stores: None, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What the only job of the table has sent."""
    sent = Sent()
    monkeypatch.setattr(scheduler, "JOBS", (job(sent),))
    return sent


@usable
def test_a_send_that_fails_is_made_up_for_once_redis_is_back(in_table: Sent) -> None:
    in_table.broken = True
    assert fire(scheduler.JOBS[0], START + timedelta(hours=2)) is not None
    send_waiting(scheduler.JOBS)
    assert (in_table, last_firing().state) == ([], "queued")
    in_table.broken = False
    send_waiting(scheduler.JOBS)
    assert in_table == [], "it has just been sent, as far as one knows"
    change("UPDATE job_runs SET last_sent = now() - interval '1 hour'")
    send_waiting(scheduler.JOBS)
    assert in_table == [str(last_firing().firing_id)]


@usable
def test_a_firing_whose_message_waits_in_a_full_queue_is_sent_ever_more_rarely(
    in_table: Sent,
) -> None:
    fire(scheduler.JOBS[0], START + timedelta(hours=2))
    change("UPDATE job_runs SET fired_at = now() - interval '1 hour'")
    change("UPDATE job_runs SET last_sent = now() - interval '29 minutes'")
    send_waiting(scheduler.JOBS)
    assert len(in_table) == 1
    change("UPDATE job_runs SET last_sent = now() - interval '31 minutes'")
    send_waiting(scheduler.JOBS)
    assert len(in_table) == 2


@usable
def test_a_firing_is_worked_on_once_however_often_it_is_sent() -> None:
    job(Sent())
    firing_id = record_firing("test_job", START)
    assert firing_id is not None
    assert record_firing("test_job", START) is None
    with leased_firing(firing_id) as ours:
        assert ours
        assert last_firing().state == "running"
        with leased_firing(firing_id) as again:
            assert not again
    assert (last_firing().state, last_firing().attempts) == ("done", 1)
    with leased_firing(firing_id) as again:
        assert not again
    assert last_firing().duration_s is not None


@usable
def test_a_job_that_fails_says_so_with_its_traceback_and_is_not_sent_again(in_table: Sent) -> None:
    firing_id = record_firing("test_job", START)
    assert firing_id is not None
    with leased_firing(firing_id):
        raise ValueError("on purpose")
    failed = last_firing()
    assert (failed.state, failed.error) == ("failed", "ValueError: on purpose")
    assert "test_a_job_that_fails_says_so" in str(failed.traceback)
    change("UPDATE job_runs SET last_sent = '-infinity', started_at = now() - interval '1 day'")
    send_waiting(scheduler.JOBS)
    assert in_table == []


@usable
def test_a_job_whose_worker_was_lost_is_sent_again_and_fails_after_the_last_attempt(
    in_table: Sent,
) -> None:
    def lose_worker() -> None:
        change(
            "UPDATE job_runs SET state = 'running', attempts = attempts + 1,"
            " started_at = now() - interval '1 hour'"
        )

    firing_id = record_firing("test_job", START)
    lose_worker()
    beat(
        worker="w",
        host="h",
        pid=1,
        queues=["batch"],
        threads=1,
        started_at=START,
        jobs=[CurrentJob("m", "test_job", (str(firing_id),), "batch", START.isoformat())],
    )
    send_waiting(scheduler.JOBS)
    assert in_table == [], "a living process has it"
    change("UPDATE workers SET seen_at = now() - interval '1 hour'")
    send_waiting(scheduler.JOBS)
    assert in_table == [str(firing_id)]
    for _ in range(4):
        lose_worker()
        send_waiting(scheduler.JOBS)
    assert (last_firing().state, len(in_table)) == ("failed", 4)
    assert last_firing().error == "the worker was lost during the job"


@usable
def test_a_job_that_is_run_by_hand_is_sent_at_once_and_says_by_whom(in_table: Sent) -> None:
    firing_id = request_firing("test_job", "ops")
    change("UPDATE schedules SET enabled = false")
    send_waiting(scheduler.JOBS)
    send_waiting(scheduler.JOBS)
    assert in_table == [str(firing_id)]
    assert last_firing().asked_by == "ops"


@usable
def test_an_enabled_job_does_not_catch_up_what_passed_while_it_was_not() -> None:
    sent = Sent()
    every_2_hours = job(sent)
    fire(every_2_hours, START + timedelta(hours=2))
    enable_job("test_job", enabled=False)
    enable_job("test_job", enabled=True)
    assert fire(every_2_hours, START + timedelta(hours=9)) is None
    enabled_at = unfired_since("test_job")
    assert enabled_at is not None
    enable_job("test_job", enabled=True)
    assert unfired_since("test_job") == enabled_at, "enabling twice changes nothing"
    assert fire(every_2_hours, enabled_at + timedelta(hours=2)) is not None


@usable
def test_a_job_that_begins_a_run_ends_as_the_run_does() -> None:
    register_job("rebuild_neighbors", "0 2 * * *")
    firing_id = request_firing("rebuild_neighbors", "ops")
    begin_run(RunKind.rebuild_neighbors, create_run, str(firing_id))
    ((run_id,),) = rows("SELECT run_id FROM runs")
    assert last_firing("rebuild_neighbors").state == "queued"
    assert queued("batch") == [("rebuild_neighbors", (str(run_id),))]
    second = request_firing("rebuild_neighbors", "ops")
    begin_run(RunKind.rebuild_neighbors, create_run, str(second))
    assert last_firing("rebuild_neighbors").run_id == run_id, "one at a time"
    cancel_run(run_id)
    assert {each.state for each in list_firings("rebuild_neighbors", 9)} == {"cancelled"}


@usable
def test_every_job_of_the_table_sends_a_message_that_its_actor_takes(
    documents: Documents,
) -> None:
    documents.add("A")
    for each in scheduler.JOBS:
        register_job(each.name, each.cron)
    change("UPDATE schedules SET created_at = now() - interval '2 days'")
    client = stores().redis
    client.config_set("maxmemory", 1)
    try:
        for each in scheduler.JOBS:
            assert fire(each) is not None
    finally:
        client.config_set("maxmemory", 0)
    assert [queued(queue) for queue in broker.get_declared_queues()].count([]) == 2
    change("UPDATE job_runs SET last_sent = '-infinity'")
    change("UPDATE runs SET last_sent = '-infinity'")
    send_waiting(scheduler.JOBS)
    reconcile(scheduler.JOBS)
    found = [message for queue in broker.get_declared_queues() for message in queued(queue)]
    planned = dict.fromkeys(["incremental_documents", "stale_documents"], "precompute_documents")
    planned["recommendation_model"] = "build_recommendation_model"
    names = {planned.get(each.name, each.name) for each in scheduler.JOBS}
    assert {actor for actor, _ in found} == names
    for actor, arguments in found:
        broker.get_actor(actor)(*arguments)
    ended = {each.name: last_firing(each.name) for each in scheduler.JOBS}
    # A run over documents is cut into batches, which nobody works on here.
    assert {each.state for each in ended.values() if each.run_id is None} == {"done"}
    assert {each.state for each in ended.values()} <= {"done", "running"}


@usable
def test_jobs_that_left_the_table_are_forgotten_with_their_firings() -> None:
    fire(job(Sent()), START + timedelta(hours=2))
    register_job("stays", EVERY_2_HOURS)
    forget_other_jobs(["stays"])
    assert rows("SELECT job FROM schedules") == [("stays",)]
    assert rows("SELECT * FROM job_runs") == []


@usable
def test_a_stalled_worker_does_not_end_the_firing_that_another_one_has_taken_over() -> None:
    job(Sent())
    firing_id = record_firing("test_job", START)
    assert firing_id is not None
    with ExitStack() as stalled:
        assert stalled.enter_context(leased_firing(firing_id))
        change("UPDATE job_runs SET started_at = now() - interval '1 hour'")
        assert find_unsent() == [("test_job", firing_id)]
        with leased_firing(firing_id) as ours:
            assert ours
            stalled.close()
            assert last_firing().state == "running"
    assert (last_firing().state, last_firing().attempts) == ("done", 2)


@usable
def test_a_run_by_hand_does_not_swallow_a_slot_that_was_missed_while_nobody_led() -> None:
    sent = Sent()
    every_2_hours = job(sent)
    fire(every_2_hours, START + timedelta(hours=2))
    missed = START.replace(hour=4, minute=0)
    request_firing("test_job", "ops")
    by_hand = missed + timedelta(minutes=1)
    change("UPDATE job_runs SET slot = %s WHERE asked_by IS NOT NULL", by_hand)
    assert fire(every_2_hours, missed + timedelta(minutes=2)) == missed
