"""Queues: their names, which are held back, and what lies in them.

The only file that knows where Dramatiq keeps its messages in Redis.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import cast

from redis import Redis

from workers.core.queries import query
from workers.core.stores import broker_redis, connection
from workers.core.vocabulary import Queue

PAUSE = query("jobs/queues.pause_queue")
RESUME = query("jobs/queues.resume_queue")
LIST_PAUSED = query("jobs/queues.list_paused")
IS_PAUSED = query("jobs/queues.is_paused")

NAMESPACE = "dramatiq"
MAX_READ = 1000
MAX_SEARCHED = 5000
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
# The oldest messages of a queue up to a certain one, gone before anybody takes them. Sent twice, it
# removes none that came later.
PURGE = """
local last = redis.call('LPOS', KEYS[1], ARGV[2], 'RANK', -1)
if not last then return 0 end
local ids = redis.call('LRANGE', KEYS[1], 0, math.min(ARGV[1] - 1, last))
if #ids > 0 then
    redis.call('LTRIM', KEYS[1], #ids, -1)
    redis.call('HDEL', KEYS[1] .. '.msgs', unpack(ids))
end
return #ids
"""


class MessageState(StrEnum):
    """Where a message is; running ones have been fetched by a worker, which may hold some back."""

    ready = "ready"
    delayed = "delayed"
    running = "running"
    dead = "dead"


@dataclass(frozen=True)
class Message:
    """One message in Redis; `id` is Redis' name for it.

    `due_at` is set for delayed messages. Dead ones, which no actor would take or whose actor
    failed, have `died_at`, and what the actor raised.
    """

    id: str
    message_id: str
    queue: str
    state: MessageState
    actor: str
    args: tuple[object, ...]
    sent_at: datetime
    due_at: datetime | None = None
    died_at: datetime | None = None
    error: str | None = None
    traceback: str | None = None


@dataclass(frozen=True)
class MessagePage:
    """`total` counts the messages in this state, `searched` those that were looked at for the page.

    `next_place` is where the next page begins, None at the end.
    """

    messages: list[Message]
    total: int
    searched: int
    next_place: int | None


@dataclass(frozen=True)
class Depth:
    """How many messages a queue has by state, and the age of the oldest ready one in seconds."""

    queue: Queue
    ready: int
    delayed: int
    running: int
    dead: int
    oldest_s: float | None
    paused: bool


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
    """Read which queues are paused."""
    with connection() as conn:
        return {queue for (queue,) in conn.execute(LIST_PAUSED)}


def is_paused(queue: str) -> bool:
    """Read whether this queue is paused now."""
    with connection() as conn:
        return conn.execute(IS_PAUSED, {"queue": queue}).fetchone() == (True,)


def read_depths() -> list[Depth]:
    """Read the depth of every queue, in a few round trips whatever lies in it."""
    client, paused = broker_redis(), paused_queues()
    holders = _holders(client)
    pipeline = client.pipeline(transaction=False)
    for queue in Queue:
        name = _key(queue)
        pipeline.llen(name)
        pipeline.lindex(name, 0)
        pipeline.hlen(f"{name}.DQ.msgs")
        pipeline.zcard(f"{name}.XQ")
        for holder in holders:
            pipeline.scard(_taken(holder, queue))
    answers = iter(pipeline.execute())
    depths = []
    for queue in Queue:
        ready, oldest, delayed, dead = (next(answers) for _ in range(4))
        running = sum(next(answers) for _ in holders)
        depths.append(
            Depth(queue, ready, delayed, running, dead, _age_s(queue, oldest), queue in paused)
        )
    return depths


def read_messages(
    queue: Queue, state: MessageState, *, search: str = "", limit: int = 50, place: int = 0
) -> MessagePage:
    """Read a page of a queue's messages: the oldest first, of the dead ones the newest.

    Args:
        search: only messages whose actor or arguments contain this text, among the next
            `MAX_SEARCHED` from `place` on.
        place: how many messages to pass over.
    """
    written = json.dumps(search)[1:-1].encode()
    ids, total = _ids(queue, state, place, MAX_SEARCHED if search else limit)
    found: list[Message] = []
    searched = 0
    for start in range(0, len(ids), MAX_READ):
        part = ids[start : start + MAX_READ]
        for message_id, body in zip(part, _bodies(queue, state, part), strict=True):
            searched += 1
            if body is None or written not in body:
                continue
            message = _decode(queue, state, message_id, body)
            if not search or _matches(message, search):
                found.append(message)
                if len(found) == limit:
                    break
        if len(found) == limit:
            break
    following = place + searched
    return MessagePage(
        _with_deaths(queue, found) if state is MessageState.dead else found,
        total,
        searched,
        following if following < total else None,
    )


def dead_messages(queue: Queue, limit: int = 100) -> list[Message]:
    """Read Dramatiq's own dead letters of a queue, newest first.

    What fails in the ledger is not here: its message was taken and the ledger keeps the reason.
    """
    return read_messages(queue, MessageState.dead, limit=limit).messages


def keep_traceback(queue: str, message_id: str, error: str, traceback: str) -> None:
    """Write what an actor raised into its message, which is about to be a dead letter.

    Args:
        message_id: Redis' name for the message.
    """
    client, messages = broker_redis(), f"{NAMESPACE}:{queue}.msgs"
    body = client.hget(messages, message_id)
    if body is not None:
        fields = json.loads(body)
        fields["options"] |= {"error": error, "traceback": traceback}
        client.hset(messages, message_id, json.dumps(fields))


def requeue_messages(queue: Queue, ids: Sequence[str]) -> int:
    """Give dead messages another try; returns how many there were."""
    return _in_slices(REQUEUE, queue, ids)


def discard_messages(queue: Queue, ids: Sequence[str]) -> int:
    """Remove dead messages; returns how many there were."""
    return _in_slices(DISCARD, queue, ids)


def purge_queue(queue: Queue) -> int:
    """Remove the messages that are ready now; returns how many there were.

    Nothing is lost: what they stand for is due in Postgres, and the scheduler sends it again.
    """
    client, removed = broker_redis(), 0
    newest = client.lindex(_key(queue), -1)
    while newest is not None:
        taken = int(client.eval(PURGE, 1, _key(queue), MAX_READ, newest))
        removed += taken
        if taken < MAX_READ:
            break
    return removed


def dead_ids(queue: Queue) -> list[str]:
    """List the ids of all dead messages of a queue."""
    return _texts(broker_redis().zrange(f"{_key(queue)}.XQ", 0, -1))


def _key(queue: str) -> str:
    return f"{NAMESPACE}:{queue}"


def _taken(holder: str, queue: str) -> str:
    """Name the set of messages that a worker process has fetched and not yet acknowledged."""
    return f"{NAMESPACE}:__acks__.{holder}.{queue}"


def _holders(client: Redis) -> list[str]:
    """Find who has fetched messages, and everybody else who has spoken to Redis lately."""
    return _texts(client.zrange(f"{NAMESPACE}:__heartbeats__", 0, -1))


def _ids(queue: Queue, state: MessageState, place: int, most: int) -> tuple[list[str], int]:
    """Name up to `most` messages from a place on, and count how many there are."""
    client, name = broker_redis(), _key(queue)
    if state is MessageState.dead:
        found = client.zrange(f"{name}.XQ", place, place + most - 1, desc=True)
        return _texts(found), client.zcard(f"{name}.XQ")
    if state is MessageState.ready:
        return _texts(client.lrange(name, place, place + most - 1)), client.llen(name)
    suffix = ".DQ" if state is MessageState.delayed else ""
    ids = sorted(
        each
        for holder in _holders(client)
        for each in _texts(client.smembers(_taken(holder, f"{queue}{suffix}")))
    )
    if state is MessageState.delayed:
        ids += _texts(client.lrange(f"{name}.DQ", 0, -1))
    return ids[place : place + most], len(ids)


def _texts(answer: object) -> list[str]:
    return [each.decode() for each in cast(Iterable[bytes], answer)]


def _bodies(queue: Queue, state: MessageState, ids: Sequence[str]) -> list[bytes | None]:
    suffix = {MessageState.delayed: ".DQ", MessageState.dead: ".XQ"}.get(state, "")
    return cast(list[bytes | None], broker_redis().hmget(f"{_key(queue)}{suffix}.msgs", list(ids)))


def _decode(queue: Queue, state: MessageState, redis_id: str, body: bytes) -> Message:
    fields = json.loads(body)
    options = fields["options"]
    return Message(
        redis_id,
        fields["message_id"],
        queue,
        state,
        fields["actor_name"],
        tuple(fields["args"]),
        _time(fields["message_timestamp"]),
        due_at=_time(options["eta"]) if "eta" in options else None,
        error=options.get("error"),
        traceback=options.get("traceback"),
    )


def _with_deaths(queue: Queue, messages: Sequence[Message]) -> list[Message]:
    if not messages:
        return []
    died = broker_redis().zmscore(f"{_key(queue)}.XQ", [message.id for message in messages])
    return [
        replace(message, died_at=_time(died_ms))
        for message, died_ms in zip(messages, died, strict=True)
        if died_ms is not None
    ]


def _matches(message: Message, search: str) -> bool:
    return search in message.actor or any(search in str(argument) for argument in message.args)


def _age_s(queue: Queue, message_id: bytes | None) -> float | None:
    body = message_id and broker_redis().hget(f"{_key(queue)}.msgs", message_id)
    if not body:
        return None
    sent_at = _time(json.loads(body)["message_timestamp"])
    return max((datetime.now(UTC) - sent_at).total_seconds(), 0.0)


def _time(milliseconds: float) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _in_slices(script: str, queue: Queue, ids: Sequence[str]) -> int:
    """Run a script with so many arguments at a time as Lua can take."""
    return sum(
        int(broker_redis().eval(script, 1, _key(queue), *ids[start : start + MAX_READ]))
        for start in range(0, len(ids), MAX_READ)
    )
