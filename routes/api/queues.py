"""Queues and their messages, pauses, and the workers that take from them."""

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from routes.http.access import caller_of
from routes.http.operations import (
    Operation,
    decode_cursor,
    encode_cursor,
    path_choice,
    query_choice,
    query_number,
    query_text,
    reply,
)
from workers.core.api_keys import Role
from workers.core.metrics import MESSAGES
from workers.core.vocabulary import Queue
from workers.jobs.heartbeats import WorkerProcess, list_workers
from workers.jobs.queues import (
    SEARCH_MOST,
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
        """With its rate."""
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


def get_queues(request: Request) -> Response:  # noqa: ARG001  # handlers share one signature
    """Every queue."""
    return reply(QUEUES, QueueList(queues=[QueueOut.of(depth) for depth in read_depths()]))


def get_messages(request: Request) -> Response:
    """A page of a queue's messages."""
    queue = path_choice(request, "queue", Queue)
    (place,) = decode_cursor(request, int)
    page = read_messages(
        queue,
        query_choice(request, "state", MessageState) or MessageState.ready,
        search=query_text(request, "search") or "",
        limit=query_number(request, "limit", MAX_MESSAGES) or DEFAULT_MESSAGES,
        place=max(place or 0, 0),
    )
    body = MessageList(
        messages=page.messages,
        total=page.total,
        searched=page.searched,
        next_cursor=None if page.next_place is None else encode_cursor(page.next_place),
    )
    return reply(MESSAGE_LIST, body)


def post_pause_queue(request: Request) -> Response:
    """Hold a queue back."""
    queue = path_choice(request, "queue", Queue)
    changed = pause_queue(queue, caller_of(request).name)
    return reply(PAUSED, Paused(queue=queue, paused=True, changed=changed))


def post_resume_queue(request: Request) -> Response:
    """Let a queue go on."""
    queue = path_choice(request, "queue", Queue)
    return reply(PAUSED, Paused(queue=queue, paused=False, changed=resume_queue(queue)))


def post_purge_queue(request: Request) -> Response:
    """Empty a queue."""
    queue = path_choice(request, "queue", Queue)
    return reply(PURGED, Purged(queue=queue, count=purge_queue(queue)))


def get_workers(request: Request) -> Response:  # noqa: ARG001
    """Who is at work."""
    return reply(WORKERS, WorkerList(workers=list_workers()))


OPERATIONS = (
    Operation(
        "GET",
        "/queues",
        get_queues,
        "Every queue: how many messages by state, the oldest, the rate, whether it is paused.",
        Role.read,
        QUEUES,
        problems=(503,),
    ),
    Operation(
        "GET",
        "/queues/{queue}/messages",
        get_messages,
        "Messages of a queue in one state.",
        Role.read,
        MESSAGE_LIST,
        query={
            "state": f"one of {', '.join(MessageState)}; ready if not given",
            "search": f"text in the actor or the arguments, looked for in {SEARCH_MOST:,} messages",
            "limit": f"at most this many, up to {MAX_MESSAGES}",
            "cursor": "next_cursor of a page",
        },
        problems=(404, 422, 503),
    ),
    Operation(
        "POST",
        "/queues/{queue}/pause",
        post_pause_queue,
        "Start nothing more from a queue; its work stays due.",
        Role.admin,
        PAUSED,
        problems=(404, 503),
        audited=True,
    ),
    Operation(
        "POST",
        "/queues/{queue}/resume",
        post_resume_queue,
        "Let a paused queue go on.",
        Role.admin,
        PAUSED,
        problems=(404, 503),
        audited=True,
    ),
    Operation(
        "POST",
        "/queues/{queue}/purge",
        post_purge_queue,
        "Remove the ready messages of a queue; what is due is sent again.",
        Role.admin,
        PURGED,
        problems=(404, 503),
        audited=True,
    ),
    Operation(
        "GET",
        "/workers",
        get_workers,
        "Worker processes with their heartbeats and what they are at.",
        Role.read,
        WORKERS,
        problems=(503,),
    ),
)
