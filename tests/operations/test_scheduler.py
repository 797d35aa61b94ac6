"""The clock: one firing per slot, whoever is restarted, killed or away, and the reconciler."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scheduler
from actors import reconciler
from actors.firings import Job, due_slot, fire, send_waiting
from actors.reconciler import reconcile
from tests.firings import EVERY_2_HOURS, START, Sent, job, queued
from tests.library import change, rows
from tests.processes import LIMIT_SECONDS, eventually
from workers.core.counters import flush, read_counts
from workers.core.stores import transaction
from workers.core.vocabulary import Kind
from workers.jobs.history import prune_history
from workers.jobs.runs import RunKind
from workers.jobs.schedules import (
    register_job,
    unfired_since,
)
from workers.ledger import freshness

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
usable = pytest.mark.usefixtures("stores")


def slots() -> list[datetime]:
    found = rows("SELECT slot FROM job_runs WHERE job = 'test_job' ORDER BY slot")
    return [slot.astimezone(UTC) for (slot,) in found]


@st.composite
def a_cron_line(draw: st.DrawFn) -> tuple[str, set[int], set[int]]:
    minutes = draw(st.sets(st.integers(0, 59), min_size=1, max_size=4))
    hours = draw(st.sets(st.integers(0, 23), min_size=1, max_size=6))
    line = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
    return line, minutes, hours


@given(
    a_cron_line(),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(0), timedelta(hours=60)),
)
def test_the_due_slot_is_the_one_that_counting_every_minute_finds(
    cron: tuple[str, set[int], set[int]], after: datetime, passed: timedelta
) -> None:
    line, minutes, hours = cron
    now = after + passed
    minute = now.replace(second=0, microsecond=0)
    while minute > after and not (minute.minute in minutes and minute.hour in hours):
        minute -= timedelta(minutes=1)
    assert due_slot(line, after, now) == (minute if minute > after else None)


def test_a_slot_is_due_from_its_second_on_and_not_again_after_it_was_fired() -> None:
    slot = datetime(2026, 3, 1, 2, tzinfo=UTC)
    moment = timedelta(microseconds=1)
    assert due_slot(EVERY_2_HOURS, START, slot - moment) is None
    assert due_slot(EVERY_2_HOURS, START, slot) == slot
    assert due_slot(EVERY_2_HOURS, slot, slot + timedelta(hours=2) - moment) is None


@usable
def test_a_due_slot_fires_once_and_a_new_job_waits_for_its_first_slot() -> None:
    sent = Sent()
    every_2_hours = job(sent)
    assert fire(every_2_hours, START + timedelta(hours=1)) is None
    slot = datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert fire(every_2_hours, slot) == slot
    assert fire(every_2_hours, slot + timedelta(minutes=59)) is None
    assert (len(sent), slots()) == (1, [slot])


@usable
def test_two_schedulers_fire_a_slot_once() -> None:
    sent = Sent()
    every_2_hours = job(sent)
    now = START + timedelta(hours=2)
    together = threading.Barrier(4)

    def compete(_: int) -> datetime | None:
        together.wait()
        return fire(every_2_hours, now)

    for _ in range(10):
        with ThreadPoolExecutor(4) as threads:
            fired = [slot for slot in threads.map(compete, range(4)) if slot]
        assert len(fired) == 1
        now += timedelta(hours=2)
    assert len(sent) == len(slots()) == 10


@usable
def test_slots_missed_while_down_are_caught_up_once() -> None:
    sent = Sent()
    every_2_hours = job(sent)
    fire(every_2_hours, START + timedelta(hours=2))
    back = START + timedelta(hours=11)
    assert fire(every_2_hours, back) == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert fire(every_2_hours, back) is None
    assert fire(every_2_hours, START + timedelta(hours=12)) is not None
    assert [slot.hour for slot in slots()] == [2, 10, 12]
    assert len(sent) == 3


@usable
def test_restarts_every_30_minutes_starve_no_2_hour_slot() -> None:
    sent = Sent()
    now = START
    for _ in range(4 * 24):
        job(sent)  # what a scheduler does first
        fire(Job("test_job", EVERY_2_HOURS, sent.send), now)
        now += timedelta(minutes=30)
    assert slots() == [START.replace(minute=0) + timedelta(hours=h) for h in range(2, 48, 2)]
    assert len(sent) == 23


@usable
def test_restarts_every_30_minutes_recompute_users_once_in_each_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (users,) = (job for job in scheduler.JOBS if job.name == "recompute_users")
    assert users.cron == EVERY_2_HOURS
    begun: list[RunKind] = []
    monkeypatch.setattr("actors.runs.send_run", lambda _, kind: begun.append(kind))
    register_job(users.name, users.cron)
    change("UPDATE schedules SET created_at = %s", START)
    now = START
    for _ in range(4 * 12):
        register_job(users.name, users.cron)  # what a scheduler does first
        fire(users, now)
        change("UPDATE runs SET state = 'done' WHERE state = 'queued'")
        now += timedelta(minutes=30)
    assert begun == [RunKind.recompute_users] * 11
    fired = rows("SELECT slot FROM job_runs WHERE job = 'recompute_users' ORDER BY slot")
    expected = [START.replace(minute=0) + timedelta(hours=h) for h in range(2, 24, 2)]
    assert [slot for (slot,) in fired] == expected


@usable
def test_a_disabled_job_does_not_fire() -> None:
    sent = Sent()
    every_2_hours = job(sent)
    change("UPDATE schedules SET enabled = false")
    assert fire(every_2_hours, START + timedelta(hours=3)) is None
    register_job("test_job", EVERY_2_HOURS)  # a restart does not enable it
    assert fire(every_2_hours, START + timedelta(hours=3)) is None
    assert (sent, slots()) == ([], [])
    change("UPDATE schedules SET enabled = true")
    assert fire(every_2_hours, START + timedelta(hours=3)) is not None


@usable
def test_a_job_that_nobody_registered_does_not_fire() -> None:
    assert unfired_since("no such job") is None
    assert fire(Job("no such job", EVERY_2_HOURS, Sent().send)) is None


@usable
def test_old_firings_are_pruned_but_not_the_one_that_says_what_is_due() -> None:
    sent = Sent()
    every_2_hours = job(sent)
    for hours in (2, 4, 6):
        fire(every_2_hours, START + timedelta(hours=hours))
    change("UPDATE job_runs SET slot = slot - interval '20 years'")
    assert prune_history()["job_runs"] == 2
    assert [slot.hour for slot in slots()] == [6]


@usable
def test_the_reconciler_sends_what_is_overdue_and_buries_what_kills_workers() -> None:
    with transaction() as conn:
        freshness.mark_stale(conn, Kind.student_embedding, dict.fromkeys(["S1", "S2"]))
        freshness.mark_stale(conn, Kind.student_neighbors, dict.fromkeys(["S3", "S4"]))
    reconcile(scheduler.JOBS)
    assert queued() == []  # all of them have just been sent
    change("UPDATE freshness SET last_sent = now() - interval '1 hour'")
    change(
        "UPDATE freshness SET attempts = 5, lease_token = gen_random_uuid(), leased_by = 'gone',"
        " leased_at = now() - interval '1 minute', lease_until = now() - interval '1 second'"
        " WHERE key = 'S4'"
    )
    reconcile(scheduler.JOBS)
    assert queued() == [("recompute_student", ("S1",)), ("update_neighbors", ("S3",))]
    assert rows("SELECT key FROM freshness WHERE dead_at IS NOT NULL") == [("S4",)]
    reconcile(scheduler.JOBS)
    assert len(queued()) == 2


@usable
def test_the_reconciler_fires_a_slot_that_was_missed() -> None:
    register_job("refresh_students", "0 3 * * *")
    change("UPDATE schedules SET created_at = now() - interval '2 days'")
    reconcile(scheduler.JOBS)
    assert [actor for actor, _ in queued("batch")] == ["refresh_students"]
    reconcile(scheduler.JOBS)
    assert len(queued("batch")) == 1


@pytest.mark.parametrize(
    "step",
    [
        "end_stalled_sessions",
        "bury_lost",
        "find_overdue",
        "find_waiting",
        "watch_freshness",
        "prune_changes",
    ],
)
@usable
def test_a_step_of_the_reconciler_that_fails_keeps_no_other_from_its_turn(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("on purpose")

    done: list[str] = []
    monkeypatch.setattr(reconciler, step, fail)
    monkeypatch.setattr(reconciler, "fire", lambda job: done.append(job.name))
    with transaction() as conn:
        freshness.mark_stale(conn, Kind.student_embedding, {"S1": None})
    change("UPDATE freshness SET last_sent = now() - interval '1 hour'")
    assert not reconcile(scheduler.JOBS)
    assert done == [each.name for each in scheduler.JOBS]
    assert queued() == ([] if step == "find_overdue" else [("recompute_student", ("S1",))])
    flush()
    failures = {key: count for key, count in read_counts().items() if key[0].startswith("sched")}
    assert list(failures.values()) == [1]
    monkeypatch.undo()
    assert reconcile(scheduler.JOBS)


@usable
def test_a_job_that_cannot_be_begun_keeps_no_other_from_being_sent() -> None:
    def fail(_: str) -> None:
        raise RuntimeError("on purpose")

    sent = Sent()
    jobs = [Job("broken", EVERY_2_HOURS, fail), Job("whole", EVERY_2_HOURS, sent.send)]
    for each in jobs:
        register_job(each.name, each.cron)
    change("UPDATE schedules SET created_at = now() - interval '1 day'")
    reconcile(jobs)
    assert len(sent) == 1
    change("UPDATE job_runs SET last_sent = '-infinity'")
    send_waiting(jobs)
    assert len(sent) == 2


@contextmanager
def scheduler_process(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "scheduler.py"],
            cwd=ROOT,
            env={**os.environ, "RECONCILE_INTERVAL_SECONDS": "0.2", "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_leads(log: Path) -> None:
    eventually(lambda: "scheduler_leads" in log.read_text(), log.read_text)


def leaders() -> list[int]:
    """The Postgres backends that hold the leader's lock."""
    found = rows(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database ="
        " (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return [pid for (pid,) in found]


def candidates() -> list[int]:
    """The backends that have asked for it and not got it."""
    found = rows(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE %s AND datname = current_database()"
        " AND pid <> ALL(%s)",
        "%pg_try_advisory_lock(hashtext('kinfold.scheduler'%",
        [*leaders(), *rows("SELECT pg_backend_pid()")[0]],
    )
    return [pid for (pid,) in found]


@usable
def test_another_scheduler_takes_over_from_a_killed_one_and_fires_what_it_missed(
    tmp_path: Path,
) -> None:
    log = tmp_path / "heir"
    with scheduler_process(tmp_path / "leader") as leader:
        wait_until_leads(tmp_path / "leader")
        with scheduler_process(log) as heir:
            eventually(candidates, log.read_text)
            assert "scheduler_leads" not in log.read_text()
            change("UPDATE schedules SET enabled = false")
            leader.send_signal(signal.SIGKILL)
            leader.wait(LIMIT_SECONDS)
            wait_until_leads(log)
            fires_everything(log)
            heir.send_signal(signal.SIGTERM)
            assert heir.wait(LIMIT_SECONDS) == 0
    assert "Traceback" not in log.read_text()


def fires_everything(log: Path) -> None:
    change("UPDATE schedules SET enabled = true, created_at = now() - interval '2 days'")
    jobs = {job.name for job in scheduler.JOBS}
    eventually(
        lambda: {name for (name,) in rows("SELECT job FROM job_runs")} == jobs, log.read_text
    )


@usable
def test_a_leader_whose_lock_is_lost_ends_so_that_there_are_never_two(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with scheduler_process(log) as leader:
        wait_until_leads(log)
        (backend,) = leaders()
        rows("SELECT pg_terminate_backend(%s)", backend)
        assert leader.wait(LIMIT_SECONDS) == 1
