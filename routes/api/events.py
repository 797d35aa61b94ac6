"""POST /events and GET /events/{event_id}."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from actors.notify import notify
from routes.http.access import caller_of
from routes.http.group_commit import GroupCommit
from routes.http.operations import Operation, media_type, reply
from routes.http.parameters import path_uuid
from routes.http.problems import Problem, invalid
from workers.core.api_keys import Role
from workers.core.metrics import EVENTS_ACCEPTED
from workers.core.process import per_process, until_exit
from workers.ingest.events import EVENT, Event
from workers.ingest.read_event import Chain, read_event
from workers.ingest.record import Recorded, record_events
from workers.users.remove import hide_users

# Events of one request, and so of one transaction: a larger one holds its locks for longer.
MAX_EVENTS = 10_000
NDJSON = "application/x-ndjson"
# Bodies up to this size are validated on the event loop; larger ones would hold it up for longer
# than about a millisecond, and go to a thread.
SMALL_BODY_BYTES = 16 * 1024
SMALL_BODY_VALUES = 1000

# What librarians say themselves; facts come from the library's own system.
OF_LIBRARIANS = frozenset({"book_feedback", "staff_pick_added", "staff_pick_removed"})

# Seconds that an answer waits for Redis to take the notifications; the reconciler sends the rest.
NOTIFY_S = 5.0


@per_process
def _notifiers() -> ThreadPoolExecutor:
    """Make threads for notifications alone: requests may hang in all of Starlette's."""
    return until_exit(ThreadPoolExecutor(4, thread_name_prefix="notify"))


class EventList(BaseModel):
    """Up to 10,000 events, all or none."""

    model_config = ConfigDict(extra="forbid")

    events: Annotated[list[Event], Field(min_length=1, max_length=MAX_EVENTS)]


class Accepted(BaseModel):
    """`event_ids` has one id per event, in order, also for duplicates."""

    accepted: int
    duplicates: int
    event_ids: list[UUID]


ACCEPTED = TypeAdapter(Accepted)
CHAIN = TypeAdapter(Chain)
BODY: TypeAdapter[Event | EventList] = TypeAdapter(Event | EventList)
LIST = TypeAdapter(EventList)

EVENT_ID = path_uuid("event_id")


async def post_events(request: Request) -> Response:
    """Store events and what they make stale, then notify the workers."""
    if _is_small(request.state.body):
        events = _parse_allowed(request)
        recorded = await _commits(request, events).record(events)
        if recorded.notifications or _deleted_users(events):
            await _notify_soon(events, recorded)
    else:
        events, recorded = await run_in_threadpool(_record_alone, request)
    for event, outcome in zip(events, recorded.outcomes, strict=True):
        if outcome != "duplicate":
            EVENTS_ACCEPTED.add(1, event_type=event.event_type)
    accepted = Accepted(
        accepted=len(events) - recorded.duplicates,
        duplicates=recorded.duplicates,
        event_ids=recorded.event_ids,
    )
    return reply(ACCEPTED, accepted, 202)


async def _notify_soon(events: Sequence[Event], recorded: Recorded) -> None:
    """Notify the workers of committed events, for five seconds at most.

    While Redis hangs the events are answered all the same: the reconciler sends what is due again.
    """
    loop = asyncio.get_running_loop()
    pending = loop.run_in_executor(_notifiers(), copy_context().run, _notify, events, recorded)
    await asyncio.wait({pending}, timeout=NOTIFY_S)
    if pending.done():
        pending.result()


def _is_small(body: bytes) -> bool:
    """Say whether a body is validated in about a millisecond, which the event loop can spare."""
    return len(body) <= SMALL_BODY_BYTES and body.count(b",") <= SMALL_BODY_VALUES


def _commits(request: Request, events: Sequence[Event]) -> GroupCommit:
    """Choose the group: deletions wait for whoever writes the graph, others not for deletions."""
    waits = any(event.event_type == "student_deleted" for event in events)
    found: GroupCommit = request.state.deletions if waits else request.state.commits
    return found


def _record_alone(request: Request) -> tuple[list[Event], Recorded]:
    events = _parse_allowed(request)
    recorded = record_events(events)
    _notify(events, recorded)
    return events, recorded


def _notify(events: Sequence[Event], recorded: Recorded) -> None:
    """Hide deleted users from readers, and wake the workers."""
    hide_users(_deleted_users(events))
    notify(recorded.notifications)


def _deleted_users(events: Sequence[Event]) -> list[str]:
    return [event.user_id for event in events if event.event_type == "user_deleted"]


def get_event(event_id: UUID) -> Response:
    """Read the causal chain of one event."""
    return reply(CHAIN, read_event(event_id))


def _parse_allowed(request: Request) -> list[Event]:
    """Parse the body, and let nobody say what others have to say.

    Raises:
        Problem: 403, a librarian's key comes with what only a library's own system tells.
    """
    events = _parse(request)
    if caller_of(request).role is Role.librarian:
        for event in events:
            if event.event_type not in OF_LIBRARIANS:
                raise Problem(403, f"{event.event_type} needs a key with the role write")
    return events


def _parse(request: Request) -> list[Event]:
    body: bytes = request.state.body
    if not body.strip():
        raise Problem(400, "the body is empty")
    if media_type(request) == NDJSON:
        return list(_parse_lines(body))
    try:
        shape = from_json(body)
    except ValueError as error:
        raise Problem(400, f"the body is not JSON: {error}") from None
    if not isinstance(shape, dict):
        raise Problem(422, 'an event is an object; several go into {"events": [...]}')
    try:
        if "events" not in shape:
            return [EVENT.validate_json(body)]
        if isinstance(shape["events"], list):
            _check_count(len(shape["events"]))
        return LIST.validate_json(body).events
    except ValidationError as error:
        raise invalid(error) from None


def _parse_lines(body: bytes) -> Iterator[Event]:
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    _check_count(len(lines))
    for index, (number, line) in enumerate(lines):
        try:
            yield EVENT.validate_json(line)
        except ValidationError as error:
            if error.errors()[0]["type"] == "json_invalid":
                raise Problem(400, f"line {number} is not JSON") from None
            raise invalid(error, "events", index) from None


def _check_count(count: int) -> None:
    if count == 0:
        raise Problem(422, "no events")
    if count > MAX_EVENTS:
        raise Problem(413, f"{count} events; at most {MAX_EVENTS} at a time")


OPERATIONS = (
    Operation(
        method="POST",
        path="/events",
        handler=post_events,
        summary="Accept events: one, a list, or NDJSON. All or nothing, durable once answered.",
        role=Role.write,
        also=(Role.librarian,),
        accepts={"application/json": BODY, NDJSON: None},
        answers=ACCEPTED,
        status=202,
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/events/{event_id}",
        handler=get_event,
        parameters=(EVENT_ID,),
        summary="What an event made stale, and when that was fresh again.",
        role=Role.read,
        answers=CHAIN,
        problems=(
            404,
            503,
        ),
    ),
)
