"""Case 17: two schedulers, one firing per slot; another leads when the leader is gone."""

import signal
from datetime import UTC, datetime, timedelta
from typing import cast

from dramatiq import Message

import scheduler
from actors.firings import due_slot
from tests.failures.cluster import Cluster, Line
from tests.library import change, rows
from tests.processes import eventually
from workers.core.stores import broker_redis
from workers.jobs.queues import NAMESPACE


def two_schedulers(cluster: Cluster) -> tuple[Line, Line]:
    """The leader, and one that has tried to lead and goes on trying."""
    leader = cluster.start_scheduler()
    eventually(
        lambda: len(rows("SELECT FROM schedules")) == len(scheduler.JOBS), lambda: leader.output
    )
    other = cluster.start("scheduler")
    eventually(candidates, cluster.output)
    return leader, other


def candidates() -> bool:
    """Whether a session other than the leader's has asked for the lock."""
    found = rows(
        "SELECT FROM pg_stat_activity a WHERE query LIKE %s AND datname = current_database()"
        " AND pid <> pg_backend_pid() AND NOT EXISTS (SELECT FROM pg_locks l"
        " WHERE l.pid = a.pid AND locktype = 'advisory' AND granted)",
        "%pg_try_advisory_lock(hashtext('kinfold.scheduler'%",
    )
    return bool(found)


def miss_slots() -> dict[str, datetime]:
    """Two days pass in which nobody fires; the newest slot of each job."""
    # Not all by the same time: one slot would be where another still is.
    change("UPDATE job_runs SET slot = slot - interval '2 days' - random() * interval '1 hour'")
    change("UPDATE schedules SET created_at = created_at - interval '2 days', enabled = true")
    now = datetime.now(UTC)
    slots = {job.name: due_slot(job.cron, now - timedelta(days=2), now) for job in scheduler.JOBS}
    return {job: slot for job, slot in slots.items() if slot is not None}


def fired() -> set[tuple[str, datetime]]:
    """The slots of less than two days that have been fired."""
    found = rows("SELECT job, slot FROM job_runs WHERE slot > now() - interval '47 hours'")
    return {(job, slot.astimezone(UTC)) for job, slot in found}


def sent() -> set[str]:
    """What the messages of the queue are about; nobody takes them."""
    found = cast(list[bytes], broker_redis().hvals(f"{NAMESPACE}:batch.msgs"))
    return {str(Message.decode(data).args[0]) for data in found}


def waiting() -> set[str]:
    """Firings and runs that nobody has begun."""
    found = rows(
        "SELECT firing_id FROM job_runs WHERE state = 'queued'"
        " UNION ALL SELECT run_id FROM runs WHERE state = 'queued'"
    )
    return {str(waits) for (waits,) in found}


def catches_up(cluster: Cluster, missed: dict[str, datetime]) -> None:
    """Wait until what was missed has been fired and sent; see that it was that alone, and once."""
    eventually(lambda: fired() >= missed.items(), cluster.output)
    # Should a slot begin just now it is fired, too.
    assert {(job, slot) for job, slot in fired() if slot < missed[job]} == set()
    # A message may be doubled: a firing is worked on once, whatever is sent.
    eventually(lambda: sent() == waiting(), cluster.output)
    assert {count for (count,) in rows("SELECT count(*) FROM runs GROUP BY kind")} == {1}


def leads(line: Line, *others: Line) -> None:
    """Wait until this one leads; it is the only one that lives."""
    line.says("scheduler_leads")
    assert not any(other.running for other in others)


def test_two_schedulers_fire_each_slot_once_and_another_leads_when_the_leader_is_killed(
    cluster: Cluster,
) -> None:
    leader, other = two_schedulers(cluster)
    for _ in range(3):
        catches_up(cluster, miss_slots())
    assert "scheduler_leads" not in other.output
    change("UPDATE schedules SET enabled = false")
    leader.kill()
    missed = miss_slots()
    leads(other, leader)
    catches_up(cluster, missed)
    assert all("Traceback" not in line.output for line in cluster.lines)


def test_slots_that_pass_while_no_scheduler_runs_are_caught_up_once(cluster: Cluster) -> None:
    both = two_schedulers(cluster)
    for line in both:
        line.kill()
    missed = miss_slots()
    for line in both:
        line.start()
    catches_up(cluster, missed)
    eventually(candidates, cluster.output)
    catches_up(cluster, missed)


def test_a_leader_that_ends_properly_hands_over(cluster: Cluster) -> None:
    leader, other = two_schedulers(cluster)
    leader.end()
    missed = miss_slots()
    leads(other, leader)
    catches_up(cluster, missed)


def test_a_leader_that_stalls_loses_the_lead_and_ends_when_it_wakes_up(cluster: Cluster) -> None:
    leader, other = two_schedulers(cluster)
    leader.signal(signal.SIGSTOP)
    other.says("scheduler_leads")
    missed = miss_slots()
    catches_up(cluster, missed)
    leader.signal(signal.SIGCONT)
    eventually(lambda: not leader.running, cluster.output)
    catches_up(cluster, missed)


def test_slots_that_pass_while_redis_is_down_are_fired_when_it_is_back(cluster: Cluster) -> None:
    leader, _ = two_schedulers(cluster)
    cluster.servers.redis.stop()
    missed = miss_slots()
    # Slots are recorded all the same, and sent later.
    leader.says("firing_not_sent")
    cluster.servers.redis.start()
    catches_up(cluster, missed)
    assert leader.running
