"""The console's pages: what each of them reads."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import redis
from starlette.requests import Request

from routes.api import dead_letters as dead_letters_api
from routes.api import queues as queues_api
from routes.api import runs as runs_api
from routes.api import schedules as schedules_api
from routes.api.queues import QueueOut
from routes.api.schedules import ScheduleOut
from routes.console.alerts import alerts
from routes.console.pages import Page
from routes.console.plots import SPANS, overview_plots
from routes.http.parameters import encode_cursor, path_choice, path_id, query_text
from workers.books.contract import read_contract
from workers.core import metrics
from workers.core.api_keys import Role
from workers.core.errors import UnknownKeyError
from workers.core.settings import settings
from workers.core.stored_keys import list_stored_keys
from workers.core.vocabulary import Kind, Queue
from workers.jobs.audit import list_acts
from workers.jobs.heartbeats import list_workers
from workers.jobs.queues import MessageState, read_depths, read_messages
from workers.jobs.runs import list_runs
from workers.jobs.schedules import list_firings, list_schedules
from workers.ledger.attempts_log import list_attempts
from workers.ledger.contract import summarize
from workers.ledger.dead_letters import count_letters, list_groups, list_letters, read_tracebacks
from workers.operations.read_key import read_key, read_last_events
from workers.operations.series import read_minutes, since
from workers.students.homerooms import list_homerooms

ROWS = 50
ATTEMPTS = 20

Shown = Mapping[str, Any]

KIND = path_choice("kind", Kind)
KEY = path_id("key")
FIND = query_text("key", "an id of anything")


def overview(request: Request) -> Shown:
    """Show whether all is well, and how the last hour or day went."""
    span = request.query_params.get("span", "hour")
    span = span if span in SPANS else "hour"
    minutes = read_minutes(*SPANS[span])
    kinds, queues = summarize(), _queues()
    workers, recommendations = list_workers(), read_contract()
    price = settings().embedding_usd_per_million_tokens
    tokens = since(minutes, metrics.PROVIDER_TOKENS.name)
    return {
        "kinds": kinds,
        "queues": queues,
        "alive": [worker for worker in workers if worker.alive],
        "alerts": alerts(kinds, queues, workers, list_schedules(), recommendations),
        "recommendations": recommendations,
        "runs": [run for run in list_runs(10) if run.state in ("queued", "running")],
        "span": span,
        "plots": overview_plots(minutes, span),
        "model": settings().model,
        "is_local": settings().embedder == "local",
        "requests": since(minutes, metrics.PROVIDER_REQUESTS.name),
        "provider_errors": since(minutes, metrics.OPENAI_API_ERRORS.name),
        "tokens": tokens,
        "cost_usd": None if price is None else tokens * price / 1_000_000,
    }


def queues() -> Shown:
    return {"queues": _queues()}


def messages(
    queue: Queue, state: MessageState | None, search: str | None, cursor: tuple[int | None]
) -> Shown:
    """Show a page of a queue's messages in one state."""
    state, search = state or MessageState.ready, search or ""
    (place,) = cursor
    page = read_messages(queue, state, search=search, limit=ROWS, place=place or 0)
    jobs = {
        job["message_id"]: (worker.worker, job["started_at"])
        for worker in list_workers()
        if worker.alive
        for job in worker.jobs
    }
    (depth,) = (each for each in read_depths() if each.queue == queue)
    return {
        "queue": queue,
        "state": state,
        "states": {each: getattr(depth, each) for each in MessageState},
        "paused": depth.paused,
        "search": search,
        "page": page,
        "jobs": jobs,
        "following": None if page.next_place is None else encode_cursor(page.next_place),
    }


def dead() -> Shown:
    """Show dead letters by error."""
    return {"groups": list_groups(), "queues": [each for each in read_depths() if each.dead]}


def dead_letters(
    kind: Kind,
    error_group: str | None,
    search: str | None,
    cursor: tuple[datetime | None, str | None],
) -> Shown:
    """Show a page of the dead letters of a kind, or of one of its groups."""
    dead_at, key = cursor
    before = (dead_at, key) if dead_at and key else None
    letters = list_letters(kind, error_group=error_group, search=search, limit=ROWS, before=before)
    last = letters[-1] if len(letters) == ROWS else None
    return {
        "kind": kind,
        "group": error_group,
        "search": search or "",
        "count": count_letters(kind, error_group),
        "letters": letters,
        "tracebacks": read_tracebacks(kind, [letter.key for letter in letters]),
        "following": last and encode_cursor(last.dead_at.isoformat(), last.key),
    }


def runs(cursor: tuple[datetime | None, UUID | None]) -> Shown:
    """Show a page of long jobs."""
    created_at, run_id = cursor
    found = list_runs(ROWS, (created_at, run_id) if created_at and run_id else None)
    last = found[-1] if len(found) == ROWS else None
    return {"runs": found, "following": last and encode_cursor(last.created_at, last.run_id)}


def schedule() -> Shown:
    """Show the timed jobs with their next and last firing."""
    return {"schedules": [ScheduleOut.of(each) for each in list_schedules()]}


def firings(job: str, cursor: tuple[datetime | None]) -> Shown:
    """Show a page of a timed job's firings."""
    (before,) = cursor
    found = list_firings(job, ROWS, before)
    last = found[-1] if len(found) == ROWS else None
    return {
        "job": job,
        "firings": found,
        "following": last and encode_cursor(last.slot.isoformat()),
    }


def workers() -> Shown:
    """Show the worker processes and their jobs."""
    return {"workers": list_workers()}


def find(key: str | None) -> Shown:
    """Show where an id leads."""
    key = (key or "").strip()
    try:
        found = read_key(key) if key else None
    except UnknownKeyError:
        found = None
    return {"key": key, "found": found}


def show_key(key: str) -> Shown:
    """Show everything about one student, user, post or document."""
    found = read_key(key)
    return {
        "key": key,
        "found": found,
        "events": read_last_events(key),
        "attempts": {
            row.kind: list_attempts(Kind(row.kind), key, ATTEMPTS) for row in found.ledger
        },
    }


def audit(cursor: tuple[int | None]) -> Shown:
    """Show a page of the audit."""
    (before,) = cursor
    acts = list_acts(ROWS, before)
    last = acts[-1] if len(acts) == ROWS else None
    return {"acts": acts, "following": last and encode_cursor(last.act_id)}


def access() -> Shown:
    """Show the keys that were made here."""
    return {"keys": list_stored_keys(), "homerooms": list_homerooms()}


def _queues() -> list[QueueOut]:
    """List every queue; none while Redis is down, which is an alert of its own."""
    try:
        return [QueueOut.of(depth) for depth in read_depths()]
    except redis.RedisError:
        return []


PAGES = (
    Page(
        path="/",
        template="overview.html",
        title="Overview",
        read=overview,
        shows="Alerts, freshness per kind, the last hour or day, the provider, active runs.",
    ),
    Page(
        path="/console/queues",
        template="queues.html",
        title="Queues",
        read=queues,
        shows="Depth, age and rate; pause, resume.",
    ),
    Page(
        path="/console/queues/{queue}",
        template="messages.html",
        title="Messages",
        read=messages,
        parameters=(queues_api.QUEUE, queues_api.STATE, queues_api.SEARCH, queues_api.CURSOR),
        shows="Messages by state, with a search in their arguments; purge.",
    ),
    Page(
        path="/console/dead",
        template="dead.html",
        title="Dead letters",
        read=dead,
        shows="What was given up, by error.",
    ),
    Page(
        path="/console/dead/{kind}",
        template="dead_letters.html",
        title="Dead letters",
        read=dead_letters,
        parameters=(
            KIND,
            dead_letters_api.ERROR_GROUP,
            dead_letters_api.SEARCH,
            dead_letters_api.CURSOR,
        ),
        shows="Each with its traceback; retry or discard one, some, a group, all.",
    ),
    Page(
        path="/console/runs",
        template="runs.html",
        title="Runs",
        read=runs,
        parameters=(runs_api.CURSOR,),
        shows="Long jobs with progress and ETA; cancel.",
    ),
    Page(
        path="/console/schedule",
        template="schedule.html",
        title="Schedule",
        read=schedule,
        shows="Timed jobs with next and last run; run now, enable, disable.",
    ),
    Page(
        path="/console/schedule/{job}",
        template="firings.html",
        title="Firings",
        read=firings,
        parameters=(schedules_api.JOB, schedules_api.FIRINGS_CURSOR),
        shows="How one job went.",
    ),
    Page(
        path="/console/workers",
        template="workers.html",
        title="Workers",
        read=workers,
        shows="Processes and their jobs.",
    ),
    Page(
        path="/console/find",
        template="find.html",
        title="Find",
        read=find,
        parameters=(FIND,),
        shows="Where an id leads.",
    ),
    Page(
        path="/console/keys/{key}",
        template="key.html",
        title="Key",
        read=show_key,
        parameters=(KEY,),
        shows="A student, user, post or document: freshness, vector, neighbours, events, attempts.",
    ),
    Page(
        path="/console/audit",
        template="audit.html",
        title="Audit",
        read=audit,
        parameters=(schedules_api.AUDIT_CURSOR,),
        shows="Every act with the key that did it.",
        role=Role.admin,
    ),
    Page(
        path="/console/access",
        template="access.html",
        title="Access",
        read=access,
        shows="Keys of people and programs: make one, remove one.",
        role=Role.admin,
    ),
)
