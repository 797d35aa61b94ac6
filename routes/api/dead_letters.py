"""Dead letters of the ledger and of the queues: look, try again, discard; and every attempt."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.notify import notify
from routes.http.operations import Form, Operation, json_body, reply
from routes.http.parameters import (
    encode_cursor,
    query_choice,
    query_cursor,
    query_limit,
    query_text,
)
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


KINDS = f"one of {', '.join(Kind)}"
KIND = query_choice("kind", Kind, KINDS)
ERROR_GROUP = query_text("error_group", "the `error` of a group, with a kind")
SEARCH = query_text("search", "text in the key, with a kind")
LIMIT = query_limit(MAX_LETTERS, DEFAULT_LETTERS)
CURSOR = query_cursor(datetime.fromisoformat, str)
NEEDED_KIND = query_choice("kind", Kind, KINDS, needed=True)
KEY = query_text("key", "the id of the student or whatever the kind is about", needed=True)
ATTEMPTS_CURSOR = query_cursor(int)


def get_dead(
    kind: Kind | None,
    error_group: str | None,
    search: str | None,
    limit: int,
    cursor: tuple[datetime | None, str | None],
) -> Response:
    """List groups of dead letters, and with a kind a page of its letters."""
    dead_at, key = cursor
    letters: list[DeadLetter] = []
    if kind is not None:
        letters = list_letters(
            kind,
            error_group=error_group,
            search=search,
            limit=limit,
            before=(dead_at, key) if dead_at and key else None,
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
    """Give dead letters another try."""
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
    choice = json_body(request, CHOICE)
    if isinstance(choice, Messages | AllMessages):
        count = discard_messages(choice.queue, _ids(choice))
    else:
        count = sum(discard_keys(choice.kind, keys) for keys in _keys(choice))
    return reply(CHANGED, Changed(count=count))


def get_attempts(
    kind: Kind,
    key: str,
    limit: int,
    cursor: tuple[int | None],
) -> Response:
    """List a page of the attempts at a key."""
    (before,) = cursor
    found = list_attempts(kind, key, limit, before)
    last = found[-1] if len(found) == limit else None
    following = encode_cursor(last.attempt_id) if last else None
    return reply(ATTEMPTS, AttemptList(attempts=found, next_cursor=following))


def _keys(choice: LedgerChoice) -> Iterator[list[str]]:
    """Yield the chosen keys in slices."""
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
        method="GET",
        path="/dead",
        handler=get_dead,
        parameters=(KIND, ERROR_GROUP, SEARCH, LIMIT, CURSOR),
        summary="Dead letters by error; with a kind also each of them with its traceback.",
        role=Role.read,
        answers=DEAD,
        problems=(503,),
    ),
    Operation(
        method="POST",
        path="/dead/requeue",
        handler=post_requeue,
        summary="Try dead letters again: some, those of one error, or all.",
        role=Role.admin,
        accepts={"application/json": CHOICE},
        answers=CHANGED,
        status=202,
        problems=(503,),
        form=Form(done="{count:,} tried again.", lists=("keys", "ids")),
        audited=True,
    ),
    Operation(
        method="POST",
        path="/dead/discard",
        handler=post_discard,
        summary="Forget dead letters until another event makes them stale.",
        role=Role.admin,
        accepts={"application/json": CHOICE},
        answers=CHANGED,
        problems=(503,),
        form=Form(done="{count:,} discarded.", lists=("keys", "ids")),
        audited=True,
    ),
    Operation(
        method="GET",
        path="/attempts",
        handler=get_attempts,
        parameters=(NEEDED_KIND, KEY, LIMIT, ATTEMPTS_CURSOR),
        summary="Every attempt at a key: start, end, worker, error and traceback.",
        role=Role.read,
        answers=ATTEMPTS,
        problems=(503,),
    ),
)
