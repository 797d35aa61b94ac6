"""Messages in the cluster's Redis, sent and looked at by the test."""

import redis
from dramatiq.brokers.redis import RedisBroker

from tests.failures.servers import Servers


def send_delayed(servers: Servers, student_id: str, delay_ms: int) -> None:
    """Have `recompute_student` run later, by Dramatiq's own delay."""
    from actors import recompute_student

    with redis.Redis.from_url(servers.redis.url) as client:
        # The actors' own broker belongs to the Redis that was there when they were imported.
        broker = RedisBroker(client=client, middleware=[])  # type: ignore[no-untyped-call]
        broker.enqueue(recompute_student.message(student_id), delay=delay_ms)


def waiting(servers: Servers, queue: str = "live") -> int:
    """Messages that no worker has fetched yet."""
    with redis.Redis.from_url(servers.redis.url) as client:
        return int(client.llen(f"dramatiq:{queue}"))


def unfinished(servers: Servers, queue: str = "live") -> int:
    """Messages that no worker has done with: those that wait, and those that were fetched."""
    with redis.Redis.from_url(servers.redis.url) as client:
        return int(client.hlen(f"dramatiq:{queue}.msgs"))
