"""The console's pages: what each of them reads."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import redis
from starlette.requests import Request

from routes.api.queues import QueueOut
from routes.api.schedules import ScheduleOut
from routes.console.alerts import alerts
from routes.console.pages import Page
from routes.console.plots import SPANS, overview_plots
from routes.http.operations import (
    decode_cursor,
    encode_cursor,
    path_choice,
    path_id,
    query_choice,
    query_text,
)
from workers.core import metrics
from workers.core.api_keys import Role
from workers.core.errors import UnknownKeyError
from workers.core.settings import settings
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

ROWS = 50
ATTEMPTS = 20

Shown = Mapping[str, Any]


def overview(request: Request) -> Shown:
    """Whether all is well, and how the last hour or day went."""
    span = request.query_params.get("span", "hour")
    span = span if span in SPANS else "hour"
    minutes = read_minutes(*SPANS[span])
    kinds, queues = summarize(), _queues()
    workers = list_workers()
    price = settings().embedding_usd_per_million_tokens
    tokens = since(minutes, metrics.PROVIDER_TOKENS.name)
    return {
        "kinds": kinds,
        "queues": queues,
        "alive": [worker for worker in workers if worker.alive],
        "alerts": alerts(kinds, queues, workers, list_schedules()),
        "runs": [run for run in list_runs(10) if run.state in ("queued", "running")],
        "span": span,
        "plots": overview_plots(minutes, span),
        "model": settings().model,
        "is_local": settings().embedder == "hashing",
        "requests": since(minutes, metrics.PROVIDER_REQUESTS.name),
        "provider_errors": since(minutes, metrics.OPENAI_API_ERRORS.name),
        "tokens": tokens,
        "cost_usd": None if price is None else tokens * price / 1_000_000,
    }


def queues(request: Request) -> Shown:  # noqa: ARG001  # readers share one signature
    """Every queue."""
    return {"queues": _queues()}


def messages(request: Request) -> Shown:
    """A queue's messages in one state."""
    queue = path_choice(request, "queue", Queue)
    state = query_choice(request, "state", MessageState) or MessageState.ready
    search = query_text(request, "search") or ""
    (place,) = decode_cursor(request, int)
    page = read_messages(queue, state, search=search, limit=ROWS, place=max(place or 0, 0))
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


def dead(request: Request) -> Shown:  # noqa: ARG001
    """What was given up, by error."""
    return {"groups": list_groups(), "queues": [each for each in read_depths() if each.dead]}


def dead_letters(request: Request) -> Shown:
    """The dead letters of a kind, or of one of its groups."""
    kind = path_choice(request, "kind", Kind)
    group, search = query_text(request, "error_group"), query_text(request, "search")
    dead_at, key = decode_cursor(request, datetime.fromisoformat, str)
    before = (dead_at, key) if key else None
    letters = list_letters(kind, error_group=group, search=search, limit=ROWS, before=before)
    last = letters[-1] if len(letters) == ROWS else None
    return {
        "kind": kind,
        "group": group,
        "search": search or "",
        "count": count_letters(kind, group),
        "letters": letters,
        "tracebacks": read_tracebacks(kind, [letter.key for letter in letters]),
        "following": last and encode_cursor(last.dead_at.isoformat(), last.key),
    }


def runs(request: Request) -> Shown:
    """Long jobs."""
    created_at, run_id = decode_cursor(request, datetime.fromisoformat, UUID)
    found = list_runs(ROWS, (created_at, run_id) if run_id else None)
    last = found[-1] if len(found) == ROWS else None
    return {"runs": found, "following": last and encode_cursor(last.created_at, last.run_id)}


def schedule(request: Request) -> Shown:  # noqa: ARG001
    """Timed jobs."""
    return {"schedules": [ScheduleOut.of(each) for each in list_schedules()]}


def firings(request: Request) -> Shown:
    """How one timed job went."""
    job = unquote(request.path_params["job"]).replace("\0", "")
    (before,) = decode_cursor(request, datetime.fromisoformat)
    found = list_firings(job, ROWS, before)
    last = found[-1] if len(found) == ROWS else None
    return {
        "job": job,
        "firings": found,
        "following": last and encode_cursor(last.slot.isoformat()),
    }


def workers(request: Request) -> Shown:  # noqa: ARG001
    """Who is at work, and at what."""
    return {"workers": list_workers()}


def find(request: Request) -> Shown:
    """Where an id leads."""
    key = (query_text(request, "key") or "").strip()
    try:
        found = read_key(key) if key else None
    except UnknownKeyError:
        found = None
    return {"key": key, "found": found}


def key(request: Request) -> Shown:
    """Everything about one student, user, post or document."""
    name = path_id(request, "key")
    found = read_key(name)
    return {
        "key": name,
        "found": found,
        "events": read_last_events(name),
        "attempts": {
            row.kind: list_attempts(Kind(row.kind), name, ATTEMPTS) for row in found.ledger
        },
    }


def audit(request: Request) -> Shown:
    """Who did what."""
    (before,) = decode_cursor(request, int)
    acts = list_acts(ROWS, before)
    last = acts[-1] if len(acts) == ROWS else None
    return {"acts": acts, "following": last and encode_cursor(last.act_id)}


def _queues() -> list[QueueOut]:
    """Every queue; none while Redis is down, which an alert tells."""
    try:
        return [QueueOut.of(depth) for depth in read_depths()]
    except redis.RedisError:
        return []


PAGES = (
    Page(
        "/",
        "overview.html",
        "Overview",
        overview,
        "Alerts, freshness per kind, the last hour or day, the provider, active runs.",
    ),
    Page("/console/queues", "queues.html", "Queues", queues, "Depth, age and rate; pause, resume."),
    Page(
        "/console/queues/{queue}",
        "messages.html",
        "Messages",
        messages,
        "Messages by state, with a search in their arguments; purge.",
    ),
    Page("/console/dead", "dead.html", "Dead letters", dead, "What was given up, by error."),
    Page(
        "/console/dead/{kind}",
        "dead_letters.html",
        "Dead letters",
        dead_letters,
        "Each with its traceback; retry or discard one, some, a group, all.",
    ),
    Page("/console/runs", "runs.html", "Runs", runs, "Long jobs with progress and ETA; cancel."),
    Page(
        "/console/schedule",
        "schedule.html",
        "Schedule",
        schedule,
        "Timed jobs with next and last run; run now, enable, disable.",
    ),
    Page("/console/schedule/{job}", "firings.html", "Firings", firings, "How one job went."),
    Page("/console/workers", "workers.html", "Workers", workers, "Processes and their jobs."),
    Page("/console/find", "find.html", "Find", find, "Where an id leads."),
    Page(
        "/console/keys/{key}",
        "key.html",
        "Key",
        key,
        "A student, user, post or document: freshness, vector, neighbours, events, attempts.",
    ),
    Page(
        "/console/audit",
        "audit.html",
        "Audit",
        audit,
        "Every act with the key that did it.",
        Role.admin,
    ),
)
