"""Timed jobs: when they fire, how that went, and running one by hand; and the audit."""

from datetime import UTC, datetime
from uuid import UUID

from apscheduler.triggers.cron import CronTrigger
from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from routes.http.access import caller_of
from routes.http.operations import Form, Operation, reply
from routes.http.parameters import encode_cursor, path_name, query_cursor, query_limit
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
        """Join a schedule with its next run."""
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

JOB = path_name("job")
LIMIT = query_limit(MAX_ROWS, DEFAULT_ROWS)
FIRINGS_CURSOR = query_cursor(datetime.fromisoformat)
AUDIT_CURSOR = query_cursor(int)


def next_run(schedule: Schedule) -> datetime | None:
    """Return when the clock fires a job next."""
    now = datetime.now(UTC)
    found: datetime | None = CronTrigger.from_crontab(
        schedule.cron, timezone=UTC
    ).get_next_fire_time(None, now)
    return found


def get_schedules() -> Response:
    """List every job with its next run and its last firing."""
    schedules = [ScheduleOut.of(schedule) for schedule in list_schedules()]
    return reply(SCHEDULES, ScheduleList(schedules=schedules))


def get_firings(
    job: str,
    limit: int,
    cursor: tuple[datetime | None],
) -> Response:
    """List a page of a job's firings."""
    (before,) = cursor
    found = list_firings(job, limit, before)
    last = found[-1] if len(found) == limit else None
    following = encode_cursor(last.slot.isoformat()) if last else None
    return reply(FIRINGS, FiringList(firings=found, next_cursor=following))


def post_run(request: Request, job: str) -> Response:
    """Request a firing of a job, beside its schedule."""
    firing_id = request_firing(job, caller_of(request).name)
    return reply(REQUESTED, FiringRequested(firing_id=firing_id), 202)


def post_enable(job: str) -> Response:
    enable_job(job, enabled=True)
    return reply(ENABLED, Enabled(job=job, enabled=True))


def post_disable(job: str) -> Response:
    enable_job(job, enabled=False)
    return reply(ENABLED, Enabled(job=job, enabled=False))


def get_audit(
    limit: int,
    cursor: tuple[int | None],
) -> Response:
    """List a page of the audit."""
    (before,) = cursor
    acts = list_acts(limit, before)
    following = encode_cursor(acts[-1].act_id) if len(acts) == limit else None
    return reply(AUDIT, Audit(acts=acts, next_cursor=following))


OPERATIONS = (
    Operation(
        method="GET",
        path="/schedules",
        handler=get_schedules,
        summary="Timed jobs with their next run, and the last one with duration and outcome.",
        role=Role.read,
        answers=SCHEDULES,
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/schedules/{job}/firings",
        handler=get_firings,
        parameters=(JOB, LIMIT, FIRINGS_CURSOR),
        summary="The firings of a timed job, newest first.",
        role=Role.read,
        answers=FIRINGS,
        problems=(503,),
    ),
    Operation(
        method="POST",
        path="/schedules/{job}/run",
        handler=post_run,
        parameters=(JOB,),
        summary="Run a timed job now, beside its schedule.",
        role=Role.admin,
        answers=REQUESTED,
        status=202,
        problems=(503,),
        form=Form(done="{job} runs now."),
        audited=True,
    ),
    Operation(
        method="POST",
        path="/schedules/{job}/enable",
        handler=post_enable,
        parameters=(JOB,),
        summary="Let a timed job fire, from its next time on.",
        role=Role.admin,
        answers=ENABLED,
        problems=(503,),
        form=Form(done="{job} is enabled."),
        audited=True,
    ),
    Operation(
        method="POST",
        path="/schedules/{job}/disable",
        handler=post_disable,
        parameters=(JOB,),
        summary="Let a timed job fire no more.",
        role=Role.admin,
        answers=ENABLED,
        problems=(503,),
        form=Form(done="{job} is disabled."),
        audited=True,
    ),
    Operation(
        method="GET",
        path="/audit",
        handler=get_audit,
        parameters=(LIMIT, AUDIT_CURSOR),
        summary="Who did what to the cluster, newest first.",
        role=Role.admin,
        answers=AUDIT,
        problems=(503,),
    ),
)
