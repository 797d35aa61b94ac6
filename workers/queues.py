"""Queues: their names, which are held back, and what lies in them.

The only file that knows where Dramatiq keeps its messages in Redis.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

from workers.queries import query
from workers.stores import broker_redis, connection

PAUSE = query("queues.pause_queue")
RESUME = query("queues.resume_queue")
LIST_PAUSED = query("queues.list_paused")
IS_PAUSED = query("queues.is_paused")

NAMESPACE = "dramatiq"
# Back into its queue under the same id, all or nothing.
REQUEUE = """
local moved = 0
for _, id in ipairs(ARGV) do
    local message = redis.call('HGET', KEYS[1] .. '.XQ.msgs', id)
    if message then
        redis.call('HSET', KEYS[1] .. '.msgs', id, message)
        redis.call('RPUSH', KEYS[1], id)
        redis.call('ZREM', KEYS[1] .. '.XQ', id)
        redis.call('HDEL', KEYS[1] .. '.XQ.msgs', id)
        moved = moved + 1
    end
end
return moved
"""
DISCARD = """
redis.call('ZREM', KEYS[1] .. '.XQ', unpack(ARGV))
return redis.call('HDEL', KEYS[1] .. '.XQ.msgs', unpack(ARGV))
"""


class Queue(StrEnum):
    """Lanes with worker processes of their own, so that a full one does not hold up another.

    `live` carries what follows from an event, `batch` what may take its time.
    """

    live = "live"
    batch = "batch"


@dataclass(frozen=True)
class DeadMessage:
    """A message that no actor would take, or whose actor failed; `id` is Redis' name for it."""

    id: str
    queue: str
    actor: str
    args: tuple[object, ...]
    died_at: datetime


def pause_queue(queue: Queue, paused_by: str) -> bool:
    """Start nothing more from this queue; what is running ends. False if it was paused already."""
    with connection() as conn:
        row = conn.execute(PAUSE, {"queue": queue, "paused_by": paused_by}).fetchone()
    return row is not None


def resume_queue(queue: Queue) -> bool:
    """Let a queue go on; its workers notice within a second. False if it was not paused."""
    with connection() as conn:
        return conn.execute(RESUME, {"queue": queue}).fetchone() is not None


def paused_queues() -> set[str]:
    """The queues that are held back."""
    with connection() as conn:
        return {queue for (queue,) in conn.execute(LIST_PAUSED)}


def is_paused(queue: str) -> bool:
    """Whether this queue is held back now."""
    with connection() as conn:
        return conn.execute(IS_PAUSED, {"queue": queue}).fetchone() == (True,)


def dead_messages(queue: str, limit: int = 100) -> list[DeadMessage]:
    """Dramatiq's own dead letters of a queue, newest first.

    What fails in the ledger is not here: its message was taken and the ledger keeps the reason.
    """
    client, name = broker_redis(), f"{NAMESPACE}:{queue}"
    newest = cast(
        list[tuple[bytes, float]],
        client.zrange(f"{name}.XQ", 0, limit - 1, desc=True, withscores=True),
    )
    if not newest:
        return []
    bodies = client.hmget(f"{name}.XQ.msgs", [message_id.decode() for message_id, _ in newest])
    return [
        DeadMessage(
            message_id.decode(),
            queue,
            (message := json.loads(body))["actor_name"],
            tuple(message["args"]),
            datetime.fromtimestamp(died_ms / 1000, UTC),
        )
        for (message_id, died_ms), body in zip(newest, bodies, strict=True)
        if body is not None
    ]


def requeue_messages(queue: str, ids: Sequence[str]) -> int:
    """Give dead messages another try; returns how many there were."""
    if not ids:
        return 0
    return int(broker_redis().eval(REQUEUE, 1, f"{NAMESPACE}:{queue}", *ids))


def discard_messages(queue: str, ids: Sequence[str]) -> int:
    """Remove dead messages; returns how many there were."""
    if not ids:
        return 0
    return int(broker_redis().eval(DISCARD, 1, f"{NAMESPACE}:{queue}", *ids))
