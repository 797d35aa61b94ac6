"""Dead letters of the ledger and of the queues: look, try again, discard; and every attempt."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.notify import notify
from routes.http.operations import (
    Operation,
    decode_cursor,
    encode_cursor,
    json_body,
    query_choice,
    query_number,
    query_text,
    reply,
)
from routes.http.problems import Problem
from workers.core.api_keys import Role
from workers.core.vocabulary import Kind, Queue
from workers.jobs.queues import dead_ids, discard_messages, read_depths, requeue_messages
from workers.ledger.attempts_log import Attempt, list_attempts
from workers.ledger.dead_letters import (
    DeadGroup,
    DeadLetter,
    batched,
    dead_keys,
    discard_keys,
    list_groups,
    list_letters,
    read_tracebacks,
    requeue_keys,
)

MAX_LETTERS = 200
DEFAULT_LETTERS = 50
MAX_KEYS = 10_000


class DeadMessages(BaseModel):
    """Dead letters of Dramatiq's; they are listed at GET /queues/{queue}/messages?state=dead."""

    queue: Queue
    count: int


class LetterOut(BaseModel):
    """A dead letter with the traceback of its last attempt; null if its worker was lost."""

    letter: DeadLetter
    traceback: str | None


class DeadList(BaseModel):
    """Groups of the same error, the largest first; with a kind also its letters, newest first."""

    groups: list[DeadGroup]
    queues: list[DeadMessages]
    letters: list[LetterOut]
    next_cursor: str | None


class Strict(BaseModel):
    """Nothing but what is named."""

    model_config = ConfigDict(extra="forbid")


class Keys(Strict):
    """Some dead keys of a kind."""

    kind: Kind
    keys: list[str] = Field(max_length=MAX_KEYS)


class KeysOfGroup(Strict):
    """The dead keys of a kind whose errors are of one group."""

    kind: Kind
    error_group: str


class AllKeys(Strict):
    """All dead keys of a kind."""

    kind: Kind
    all: Literal[True]


class Messages(Strict):
    """Some dead messages of a queue."""

    queue: Queue
    ids: list[str] = Field(max_length=MAX_KEYS)


class AllMessages(Strict):
    """All dead messages of a queue."""

    queue: Queue
    all: Literal[True]


class Changed(BaseModel):
    """How many of the chosen ones were dead, and are not any more."""

    count: int


class AttemptList(BaseModel):
    """Attempts at a key, newest first."""

    attempts: list[Attempt]
    next_cursor: str | None


DEAD = TypeAdapter(DeadList)
LedgerChoice = Keys | KeysOfGroup | AllKeys
QueueChoice = Messages | AllMessages
CHOICE: TypeAdapter[LedgerChoice | QueueChoice] = TypeAdapter(LedgerChoice | QueueChoice)
CHANGED = TypeAdapter(Changed)
ATTEMPTS = TypeAdapter(AttemptList)


def get_dead(request: Request) -> Response:
    """Dead letters."""
    kind = query_choice(request, "kind", Kind)
    limit = query_number(request, "limit", MAX_LETTERS) or DEFAULT_LETTERS
    error_group, search = query_text(request, "error_group"), query_text(request, "search")
    dead_at, key = decode_cursor(request, datetime.fromisoformat, str)
    letters: list[DeadLetter] = []
    if kind is not None:
        letters = list_letters(
            kind,
            error_group=error_group,
            search=search,
            limit=limit,
            before=(dead_at, key) if key else None,
        )
    tracebacks = read_tracebacks(kind, [each.key for each in letters]) if kind else {}
    last = letters[-1] if len(letters) == limit else None
    body = DeadList(
        groups=list_groups(kind),
        queues=[DeadMessages(queue=each.queue, count=each.dead) for each in read_depths()],
        letters=[LetterOut(letter=each, traceback=tracebacks.get(each.key)) for each in letters],
        next_cursor=encode_cursor(last.dead_at.isoformat(), last.key) if last else None,
    )
    return reply(DEAD, body)


def post_requeue(request: Request) -> Response:
    """Another try."""
    choice = json_body(request, CHOICE)
    if isinstance(choice, Messages | AllMessages):
        count = requeue_messages(choice.queue, _ids(choice))
    else:
        count = 0
        for keys in _keys(choice):
            notifications = requeue_keys(choice.kind, keys)
            notify(batched(notifications))
            count += len(notifications)
    return reply(CHANGED, Changed(count=count), 202)


def post_discard(request: Request) -> Response:
    """Forget them."""
    choice = json_body(request, CHOICE)
    if isinstance(choice, Messages | AllMessages):
        count = discard_messages(choice.queue, _ids(choice))
    else:
        count = sum(discard_keys(choice.kind, keys) for keys in _keys(choice))
    return reply(CHANGED, Changed(count=count))


def get_attempts(request: Request) -> Response:
    """Every attempt at a key."""
    kind, key = query_choice(request, "kind", Kind), query_text(request, "key")
    if kind is None or key is None:
        missing = "key" if kind else "kind"
        raise Problem(422, "1 invalid value", [{"loc": [missing], "msg": "is needed"}])
    limit = query_number(request, "limit", MAX_LETTERS) or DEFAULT_LETTERS
    (before,) = decode_cursor(request, int)
    found = list_attempts(kind, key, limit, before)
    last = found[-1] if len(found) == limit else None
    following = encode_cursor(last.attempt_id) if last else None
    return reply(ATTEMPTS, AttemptList(attempts=found, next_cursor=following))


def _keys(choice: LedgerChoice) -> Iterator[list[str]]:
    """The chosen keys, in slices."""
    if isinstance(choice, Keys):
        yield [key for key in choice.keys if "\0" not in key]
    elif isinstance(choice, KeysOfGroup):
        yield from dead_keys(choice.kind, choice.error_group.replace("\0", ""))
    else:
        yield from dead_keys(choice.kind)


def _ids(choice: QueueChoice) -> list[str]:
    return dead_ids(choice.queue) if isinstance(choice, AllMessages) else choice.ids


OPERATIONS = (
    Operation(
        "GET",
        "/dead",
        get_dead,
        "Dead letters by error; with a kind also each of them with its traceback.",
        Role.read,
        DEAD,
        query={
            "kind": f"one of {', '.join(Kind)}",
            "error_group": "the `error` of a group, with a kind",
            "search": "text in the key, with a kind",
            "limit": f"at most this many letters, up to {MAX_LETTERS}",
            "cursor": "next_cursor of a page",
        },
        problems=(422, 503),
    ),
    Operation(
        "POST",
        "/dead/requeue",
        post_requeue,
        "Try dead letters again: some, those of one error, or all.",
        Role.admin,
        CHANGED,
        202,
        accepts={"application/json": CHOICE},
        problems=(400, 422, 503),
        audited=True,
    ),
    Operation(
        "POST",
        "/dead/discard",
        post_discard,
        "Forget dead letters until another event makes them stale.",
        Role.admin,
        CHANGED,
        accepts={"application/json": CHOICE},
        problems=(400, 422, 503),
        audited=True,
    ),
    Operation(
        "GET",
        "/attempts",
        get_attempts,
        "Every attempt at a key: start, end, worker, error and traceback.",
        Role.read,
        ATTEMPTS,
        query={
            "kind": f"one of {', '.join(Kind)}",
            "key": "the id of the student or whatever the kind is about",
            "limit": f"at most this many, up to {MAX_LETTERS}",
            "cursor": "next_cursor of a page",
        },
        needed=("kind", "key"),
        problems=(422, 503),
    ),
)
