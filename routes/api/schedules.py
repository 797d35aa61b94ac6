"""Timed jobs: when they fire, how that went, and running one by hand; and the audit."""

from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import UUID

from apscheduler.triggers.cron import CronTrigger
from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from routes.http.access import caller_of
from routes.http.operations import Operation, decode_cursor, encode_cursor, query_number, reply
from workers.core.api_keys import Role
from workers.jobs.audit import Act, list_acts
from workers.jobs.schedules import (
    Firing,
    Schedule,
    enable_job,
    list_firings,
    list_schedules,
    request_firing,
)

MAX_ROWS = 200
DEFAULT_ROWS = 50


class ScheduleOut(BaseModel):
    """A job with its cron line in UTC, its next firing (null if disabled) and its last one."""

    job: str
    cron: str
    enabled: bool
    next_run: datetime | None
    last: Firing | None

    @classmethod
    def of(cls, schedule: Schedule) -> "ScheduleOut":
        """With its next run."""
        return cls(**vars(schedule), next_run=next_run(schedule) if schedule.enabled else None)


class ScheduleList(BaseModel):
    """Every job."""

    schedules: list[ScheduleOut]


class FiringList(BaseModel):
    """A job's firings, newest first."""

    firings: list[Firing]
    next_cursor: str | None


class FiringRequested(BaseModel):
    """The firing to look for at GET /schedules/{job}/firings."""

    firing_id: UUID


class Enabled(BaseModel):
    """Whether the job fires from now on."""

    job: str
    enabled: bool


class Audit(BaseModel):
    """Acts, newest first."""

    acts: list[Act]
    next_cursor: str | None


SCHEDULES = TypeAdapter(ScheduleList)
FIRINGS = TypeAdapter(FiringList)
REQUESTED = TypeAdapter(FiringRequested)
ENABLED = TypeAdapter(Enabled)
AUDIT = TypeAdapter(Audit)


def next_run(schedule: Schedule) -> datetime | None:
    """When the clock fires a job next."""
    now = datetime.now(UTC)
    found: datetime | None = CronTrigger.from_crontab(
        schedule.cron, timezone=UTC
    ).get_next_fire_time(None, now)
    return found


def get_schedules(request: Request) -> Response:  # noqa: ARG001  # handlers share one signature
    """Every job."""
    schedules = [ScheduleOut.of(schedule) for schedule in list_schedules()]
    return reply(SCHEDULES, ScheduleList(schedules=schedules))


def get_firings(request: Request) -> Response:
    """A job's firings."""
    limit = query_number(request, "limit", MAX_ROWS) or DEFAULT_ROWS
    (before,) = decode_cursor(request, datetime.fromisoformat)
    found = list_firings(_job(request), limit, before)
    last = found[-1] if len(found) == limit else None
    following = encode_cursor(last.slot.isoformat()) if last else None
    return reply(FIRINGS, FiringList(firings=found, next_cursor=following))


def post_run(request: Request) -> Response:
    """Run a job now."""
    firing_id = request_firing(_job(request), caller_of(request).name)
    return reply(REQUESTED, FiringRequested(firing_id=firing_id), 202)


def post_enable(request: Request) -> Response:
    """Let a job fire."""
    enable_job(_job(request), enabled=True)
    return reply(ENABLED, Enabled(job=_job(request), enabled=True))


def post_disable(request: Request) -> Response:
    """Let a job fire no more."""
    enable_job(_job(request), enabled=False)
    return reply(ENABLED, Enabled(job=_job(request), enabled=False))


def get_audit(request: Request) -> Response:
    """Who did what."""
    limit = query_number(request, "limit", MAX_ROWS) or DEFAULT_ROWS
    (before,) = decode_cursor(request, int)
    acts = list_acts(limit, before)
    following = encode_cursor(acts[-1].act_id) if len(acts) == limit else None
    return reply(AUDIT, Audit(acts=acts, next_cursor=following))


def _job(request: Request) -> str:
    return unquote(request.path_params["job"]).replace("\0", "")


OPERATIONS = (
    Operation(
        "GET",
        "/schedules",
        get_schedules,
        "Timed jobs with their next run, and the last one with duration and outcome.",
        Role.read,
        SCHEDULES,
        problems=(503,),
    ),
    Operation(
        "GET",
        "/schedules/{job}/firings",
        get_firings,
        "The firings of a timed job, newest first.",
        Role.read,
        FIRINGS,
        query={"limit": f"at most this many, up to {MAX_ROWS}", "cursor": "next_cursor of a page"},
        problems=(404, 422, 503),
    ),
    Operation(
        "POST",
        "/schedules/{job}/run",
        post_run,
        "Run a timed job now, beside its schedule.",
        Role.admin,
        REQUESTED,
        202,
        problems=(404, 503),
        audited=True,
    ),
    Operation(
        "POST",
        "/schedules/{job}/enable",
        post_enable,
        "Let a timed job fire, from its next time on.",
        Role.admin,
        ENABLED,
        problems=(404, 503),
        audited=True,
    ),
    Operation(
        "POST",
        "/schedules/{job}/disable",
        post_disable,
        "Let a timed job fire no more.",
        Role.admin,
        ENABLED,
        problems=(404, 503),
        audited=True,
    ),
    Operation(
        "GET",
        "/audit",
        get_audit,
        "Who did what to the cluster, newest first.",
        Role.admin,
        AUDIT,
        query={"limit": f"at most this many, up to {MAX_ROWS}", "cursor": "next_cursor of a page"},
        problems=(422, 503),
    ),
)
