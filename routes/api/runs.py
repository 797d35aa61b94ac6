"""Runs: long jobs to start, watch and cancel; and what the graph's check finds."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.runs import send_run
from routes.http.operations import Form, Operation, reply
from routes.http.parameters import encode_cursor, path_uuid, query_cursor, query_limit
from routes.http.quick_reads import fetch
from workers.core.api_keys import Role
from workers.jobs.runs import (
    Run,
    RunKind,
    cancel_run,
    create_run,
    read_run,
    resume_run,
    run_query,
    runs_query,
)
from workers.neighbors.check import NeighborQuality, check_neighbors

MAX_RUNS = 200
DEFAULT_RUNS = 50


class RunStarted(BaseModel):
    """The run to follow at GET /runs/{run_id}."""

    run_id: UUID


class RunList(BaseModel):
    """Newest first; `next_cursor` is null at the end."""

    runs: list[Run]
    next_cursor: str | None


STARTED = TypeAdapter(RunStarted)
RUN = TypeAdapter(Run)
RUNS = TypeAdapter(RunList)
QUALITY = TypeAdapter(NeighborQuality)

RUN_ID = path_uuid("run_id")
LIMIT = query_limit(MAX_RUNS, DEFAULT_RUNS)
CURSOR = query_cursor(datetime.fromisoformat, UUID)


def post_rebuild() -> Response:
    """Begin a rebuild of the neighbour graph."""
    run_id = create_run(RunKind.rebuild_neighbors)
    send_run(run_id, RunKind.rebuild_neighbors)
    return reply(STARTED, RunStarted(run_id=run_id), 202)


def get_quality() -> Response:
    """Measure the neighbour graph now."""
    return reply(QUALITY, check_neighbors())


async def get_run(request: Request, run_id: UUID) -> Response:
    return reply(RUN, await fetch(request, run_query(run_id)))


async def get_runs(
    request: Request, limit: int, cursor: tuple[datetime | None, UUID | None]
) -> Response:
    """List a page of runs."""
    created_at, run_id = cursor
    before = (created_at, run_id) if created_at and run_id else None
    runs = await fetch(request, runs_query(limit, before))
    last = runs[-1] if len(runs) == limit else None
    following = encode_cursor(last.created_at, last.run_id) if last else None
    return reply(RUNS, RunList(runs=runs, next_cursor=following))


def post_cancel(run_id: UUID) -> Response:
    """Cancel a run at its next step."""
    cancel_run(run_id)
    return reply(RUN, read_run(run_id), 202)


def post_resume(run_id: UUID) -> Response:
    """Resume a failed or cancelled run."""
    send_run(run_id, resume_run(run_id))
    return reply(RUN, read_run(run_id), 202)


OPERATIONS = (
    Operation(
        method="POST",
        path="/neighbors/rebuild",
        handler=post_rebuild,
        summary="Rebuild the whole neighbour graph exactly, beside readers and updates.",
        role=Role.admin,
        answers=STARTED,
        status=202,
        problems=(
            409,
            503,
        ),
        form=Form(done="The rebuild has begun."),
        audited=True,
    ),
    Operation(
        method="GET",
        path="/neighbors/quality",
        handler=get_quality,
        summary="Completeness of the neighbour graph, and a sample of it against exact neighbours.",
        role=Role.read,
        answers=QUALITY,
        problems=(503,),
        alone=True,
    ),
    Operation(
        method="GET",
        path="/runs",
        handler=get_runs,
        parameters=(LIMIT, CURSOR),
        summary="Long jobs, newest first.",
        role=Role.read,
        answers=RUNS,
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/runs/{run_id}",
        handler=get_run,
        parameters=(RUN_ID,),
        summary="One long job with its progress, rate and ETA.",
        role=Role.read,
        answers=RUN,
        problems=(
            404,
            503,
        ),
    ),
    Operation(
        method="POST",
        path="/runs/{run_id}/cancel",
        handler=post_cancel,
        parameters=(RUN_ID,),
        summary="Cancel a long job at its next step.",
        role=Role.write,
        answers=RUN,
        status=202,
        problems=(
            404,
            409,
            503,
        ),
        form=Form(done="The run ends at its next step."),
        audited=True,
    ),
    Operation(
        method="POST",
        path="/runs/{run_id}/resume",
        handler=post_resume,
        parameters=(RUN_ID,),
        summary="Let a failed or cancelled long job go on where it stopped.",
        role=Role.write,
        answers=RUN,
        status=202,
        problems=(
            404,
            409,
            503,
        ),
        form=Form(done="The run goes on."),
        audited=True,
    ),
)
