"""Queues and their messages, pauses, and the workers that take from them."""

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from routes.http.access import caller_of
from routes.http.operations import Form, Operation, reply
from routes.http.parameters import (
    encode_cursor,
    path_choice,
    query_choice,
    query_cursor,
    query_limit,
    query_text,
)
from workers.core.api_keys import Role
from workers.core.metrics import MESSAGES
from workers.core.vocabulary import Queue
from workers.jobs.heartbeats import WorkerProcess, list_workers
from workers.jobs.queues import (
    MAX_SEARCHED,
    Depth,
    Message,
    MessageState,
    pause_queue,
    purge_queue,
    read_depths,
    read_messages,
    resume_queue,
)
from workers.operations.series import per_minute

MAX_MESSAGES = 200
DEFAULT_MESSAGES = 50


class QueueOut(BaseModel):
    """How many messages a queue has by state.

    `running` ones have been fetched by a worker. `oldest_s` is the age of the oldest ready one;
    `per_minute` how many were taken in the last full minute, null while that is not known.
    """

    queue: Queue
    ready: int
    delayed: int
    running: int
    dead: int
    oldest_s: float | None
    per_minute: float | None
    paused: bool

    @classmethod
    def of(cls, depth: Depth) -> "QueueOut":
        """Join a queue's depth with its rate."""
        return cls(**vars(depth), per_minute=per_minute(f"{MESSAGES.name} {depth.queue}"))


class QueueList(BaseModel):
    """Every queue."""

    queues: list[QueueOut]


class MessageList(BaseModel):
    """Messages of one state; with a search, those among the `searched` next ones."""

    messages: list[Message]
    total: int
    searched: int
    next_cursor: str | None


class Paused(BaseModel):
    """Whether the queue is paused now, and whether it was so before."""

    queue: Queue
    paused: bool
    changed: bool


class Purged(BaseModel):
    """How many messages were removed; what they stand for stays due and is sent again."""

    queue: Queue
    count: int


class WorkerList(BaseModel):
    """Worker processes that were heard of in the last hour."""

    workers: list[WorkerProcess]


QUEUES = TypeAdapter(QueueList)
MESSAGE_LIST = TypeAdapter(MessageList)
PAUSED = TypeAdapter(Paused)
PURGED = TypeAdapter(Purged)
WORKERS = TypeAdapter(WorkerList)

QUEUE = path_choice("queue", Queue)
STATE = query_choice("state", MessageState, f"one of {', '.join(MessageState)}; ready if not given")
SEARCH = query_text(
    "search", f"text in the actor or the arguments, looked for in {MAX_SEARCHED:,} messages"
)
LIMIT = query_limit(MAX_MESSAGES, DEFAULT_MESSAGES)
CURSOR = query_cursor(int)


def get_queues() -> Response:
    return reply(QUEUES, QueueList(queues=[QueueOut.of(depth) for depth in read_depths()]))


def get_messages(
    queue: Queue,
    state: MessageState | None,
    search: str | None,
    limit: int,
    cursor: tuple[int | None],
) -> Response:
    """List a page of a queue's messages."""
    (place,) = cursor
    page = read_messages(
        queue,
        state or MessageState.ready,
        search=search or "",
        limit=limit,
        place=place or 0,
    )
    body = MessageList(
        messages=page.messages,
        total=page.total,
        searched=page.searched,
        next_cursor=None if page.next_place is None else encode_cursor(page.next_place),
    )
    return reply(MESSAGE_LIST, body)


def post_pause_queue(request: Request, queue: Queue) -> Response:
    changed = pause_queue(queue, caller_of(request).name)
    return reply(PAUSED, Paused(queue=queue, paused=True, changed=changed))


def post_resume_queue(queue: Queue) -> Response:
    return reply(PAUSED, Paused(queue=queue, paused=False, changed=resume_queue(queue)))


def post_purge_queue(queue: Queue) -> Response:
    """Remove a queue's ready messages."""
    return reply(PURGED, Purged(queue=queue, count=purge_queue(queue)))


def get_workers() -> Response:
    return reply(WORKERS, WorkerList(workers=list_workers()))


OPERATIONS = (
    Operation(
        method="GET",
        path="/queues",
        handler=get_queues,
        summary="Every queue: messages by state, age of the oldest, rate, whether it is paused.",
        role=Role.read,
        answers=QUEUES,
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/queues/{queue}/messages",
        handler=get_messages,
        parameters=(QUEUE, STATE, SEARCH, LIMIT, CURSOR),
        summary="Messages of a queue in one state.",
        role=Role.read,
        answers=MESSAGE_LIST,
        problems=(503,),
    ),
    Operation(
        method="POST",
        path="/queues/{queue}/pause",
        handler=post_pause_queue,
        parameters=(QUEUE,),
        summary="Start nothing more from a queue; its work stays due.",
        role=Role.admin,
        answers=PAUSED,
        problems=(503,),
        form=Form(done="Queue {queue} is paused. Its work stays due."),
        audited=True,
    ),
    Operation(
        method="POST",
        path="/queues/{queue}/resume",
        handler=post_resume_queue,
        parameters=(QUEUE,),
        summary="Let a paused queue go on.",
        role=Role.admin,
        answers=PAUSED,
        problems=(503,),
        form=Form(done="Queue {queue} goes on."),
        audited=True,
    ),
    Operation(
        method="POST",
        path="/queues/{queue}/purge",
        handler=post_purge_queue,
        parameters=(QUEUE,),
        summary="Remove the ready messages of a queue; what is due is sent again.",
        role=Role.admin,
        answers=PURGED,
        problems=(503,),
        form=Form(done="{count:,} messages removed from {queue}. What is due is sent again."),
        audited=True,
    ),
    Operation(
        method="GET",
        path="/workers",
        handler=get_workers,
        summary="Worker processes with their heartbeats and what they are at.",
        role=Role.read,
        answers=WORKERS,
        problems=(503,),
    ),
)
