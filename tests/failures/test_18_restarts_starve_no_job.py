"""Case 18: a job that is due every two hours fires, however often the scheduler is restarted."""

import signal
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.firings import Job, fire
from scheduler import JOBS
from tests.failures.cluster import Cluster
from tests.library import change, rows
from tests.processes import eventually
from workers.jobs.schedules import register_job

START = datetime(2026, 3, 1, 0, 7, tzinfo=UTC)
EVERY_2_HOURS = "0 */2 * * *"
MINUTE = timedelta(minutes=1)


class Clocked:
    """A job under a clock of the test's; `sent` says when it sent its message."""

    def __init__(self) -> None:
        change("DELETE FROM job_runs")
        change("DELETE FROM schedules")
        self.now = START
        self.sent: list[datetime] = []
        self.start_scheduler()
        change("UPDATE schedules SET created_at = %s", START)

    def start_scheduler(self) -> None:
        """What a scheduler does first."""
        register_job("every_2_hours", EVERY_2_HOURS)

    def run_for(self, minutes: int) -> None:
        """The reconciler, once a minute."""
        job = Job("every_2_hours", EVERY_2_HOURS, lambda _: self.sent.append(self.now))
        for _ in range(minutes):
            fire(job, self.now)
            self.now += MINUTE


def latest_slot(now: datetime) -> datetime:
    """By arithmetic."""
    return now.replace(hour=now.hour - now.hour % 2, minute=0)


@pytest.mark.usefixtures("stores")
def test_restarts_every_30_minutes_delay_no_slot() -> None:
    clocked = Clocked()
    for _ in range(2 * 24 * 2):
        clocked.start_scheduler()
        clocked.run_for(30)
    expected = [START.replace(minute=0) + timedelta(hours=hours) for hours in range(2, 49, 2)]
    assert clocked.sent == expected


@pytest.mark.usefixtures("stores")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(1, 150), st.integers(0, 400)), min_size=1, max_size=12))
def test_whenever_a_scheduler_is_up_the_newest_slot_has_been_fired_and_none_twice(
    spans: list[tuple[int, int]],
) -> None:
    clocked = Clocked()
    expected: list[datetime] = []
    fired_slot = latest_slot(START)
    for up, down in spans:
        clocked.start_scheduler()
        for minute in range(up):
            now = clocked.now + minute * MINUTE
            if latest_slot(now) > fired_slot:
                fired_slot = latest_slot(now)
                expected.append(now)
        clocked.run_for(up)
        clocked.now += down * MINUTE
    assert clocked.sent == expected
    slots = rows("SELECT slot FROM job_runs ORDER BY slot")
    assert [slot.astimezone(UTC) for (slot,) in slots] == [latest_slot(at) for at in expected]


def test_real_restarts_neither_put_a_job_off_nor_fire_it_again(cluster: Cluster) -> None:
    line = cluster.start_scheduler()
    eventually(lambda: len(rows("SELECT FROM schedules")) == len(JOBS), cluster.output)
    before = rows("SELECT job, created_at FROM schedules ORDER BY job")
    for number, end in enumerate((signal.SIGTERM, signal.SIGKILL), start=2):
        line.signal(end)
        eventually(lambda: not line.running, cluster.output)
        line.start()
        line.says("scheduler_leads", times=number)
        assert rows("SELECT job, created_at FROM schedules ORDER BY job") == before
    change("UPDATE schedules SET created_at = now() - interval '2 days'")
    eventually(lambda: len(rows("SELECT FROM job_runs")) == len(JOBS), cluster.output)
    fired = rows("SELECT job, slot, fired_at FROM job_runs ORDER BY job")
    line.restart()
    line.says("scheduler_leads", times=4)
    line.restart()
    line.says("scheduler_leads", times=5)
    assert rows("SELECT job, slot, fired_at FROM job_runs ORDER BY job") == fired
