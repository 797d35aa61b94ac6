"""Fire timed jobs: each slot once, also one that was missed, and again what got lost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import redis
import structlog
from apscheduler.triggers.cron import CronTrigger

from actors.steps import survive
from workers.jobs.schedules import find_unsent, record_firing, unfired_since

log = structlog.get_logger()


@dataclass(frozen=True)
class Job:
    """What is sent when: `cron` in UTC; `send` takes the id of the firing."""

    name: str
    cron: str
    send: Callable[[str], object]


def due_slot(cron: str, after: datetime, now: datetime) -> datetime | None:
    """Find the newest slot of `cron` in (after, now]; firing it once catches up on older ones."""
    trigger = CronTrigger.from_crontab(cron, timezone=UTC)
    slot = None
    candidate = trigger.get_next_fire_time(None, after + timedelta(microseconds=1))
    while candidate is not None and candidate <= now:
        slot = candidate
        candidate = trigger.get_next_fire_time(None, slot + timedelta(microseconds=1))
    return slot


def fire(job: Job, now: datetime | None = None) -> datetime | None:
    """Record a slot that is due and has not been fired, and send its job; returns that slot."""
    after = unfired_since(job.name)
    slot = after and due_slot(job.cron, after, now or datetime.now(UTC))
    if not slot:
        return None
    firing_id = record_firing(job.name, slot)
    if firing_id is None:
        return None
    log.info("job_fired", job=job.name, slot=slot.isoformat(), firing_id=str(firing_id))
    send_firing(job, firing_id)
    return slot


def send_firing(job: Job, firing_id: UUID) -> None:
    """Send a recorded firing; if Redis is down it is sent later."""
    try:
        job.send(str(firing_id))
    except redis.RedisError as error:
        log.warning("firing_not_sent", job=job.name, firing_id=str(firing_id), error=str(error))


def send_waiting(jobs: Sequence[Job]) -> None:
    """Send firings that somebody asked for, and those whose message or worker was lost.

    One that cannot be begun (its source is down) keeps no other from being sent.
    """
    by_name = {job.name: job for job in jobs}
    for name, firing_id in find_unsent():
        if name in by_name:
            survive(f"send {name}", partial(send_firing, by_name[name], firing_id))
