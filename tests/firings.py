"""A timed job of a test, what it sends, and what lies in the queues."""

from datetime import UTC, datetime
from typing import cast

import dramatiq
import redis

from actors.firings import Job
from tests.library import change
from workers.core.stores import stores
from workers.jobs.schedules import register_job

START = datetime(2026, 3, 1, 0, 7, tzinfo=UTC)
EVERY_2_HOURS = "0 */2 * * *"


class Sent(list[str]):
    """The firings that a job sent; `broken` makes sending fail."""

    broken = False

    def send(self, firing_id: str) -> None:
        if self.broken:
            raise redis.ConnectionError("on purpose")
        self.append(firing_id)


def job(sent: Sent, cron: str = EVERY_2_HOURS) -> Job:
    """Registered at START."""
    register_job("test_job", cron)
    change("UPDATE schedules SET created_at = %s WHERE job = 'test_job'", START)
    return Job("test_job", cron, sent.send)


def queued(queue: str = "live") -> list[tuple[str, tuple[str, ...]]]:
    """The actor and arguments of each message in a queue."""
    found = cast(list[bytes], stores().redis.hvals(f"dramatiq:{queue}.msgs"))
    messages = [dramatiq.Message.decode(data) for data in found]
    return sorted((message.actor_name, tuple(message.args)) for message in messages)
