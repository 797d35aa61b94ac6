"""Runs: long jobs to start, watch and cancel; and what the graph's check finds."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.runs import send_run
from routes.http.operations import Operation, decode_cursor, encode_cursor, query_number, reply
from routes.http.problems import Problem
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


def post_rebuild(request: Request) -> Response:  # noqa: ARG001  # handlers share one signature
    """Rebuild the neighbour graph."""
    run_id = create_run(RunKind.rebuild_neighbors)
    send_run(run_id, RunKind.rebuild_neighbors)
    return reply(STARTED, RunStarted(run_id=run_id), 202)


def get_quality(request: Request) -> Response:  # noqa: ARG001
    """Measure the neighbour graph now."""
    return reply(QUALITY, check_neighbors())


async def get_run(request: Request) -> Response:
    """One run."""
    return reply(RUN, await fetch(request, run_query(_run_id(request))))


async def get_runs(request: Request) -> Response:
    """A page of runs."""
    limit = query_number(request, "limit", MAX_RUNS) or DEFAULT_RUNS
    created_at, run_id = decode_cursor(request, datetime.fromisoformat, UUID)
    before = (created_at, run_id) if run_id else None
    runs = await fetch(request, runs_query(limit, before))
    last = runs[-1] if len(runs) == limit else None
    following = encode_cursor(last.created_at, last.run_id) if last else None
    return reply(RUNS, RunList(runs=runs, next_cursor=following))


def post_cancel(request: Request) -> Response:
    """Stop a run at its next step."""
    run_id = _run_id(request)
    cancel_run(run_id)
    return reply(RUN, read_run(run_id), 202)


def post_resume(request: Request) -> Response:
    """Let a failed or cancelled run go on."""
    run_id = _run_id(request)
    send_run(run_id, resume_run(run_id))
    return reply(RUN, read_run(run_id), 202)


def _run_id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["run_id"])
    except ValueError:
        errors = [{"loc": ["run_id"], "msg": "not a UUID"}]
        raise Problem(422, "1 invalid value", errors) from None


OPERATIONS = (
    Operation(
        "POST",
        "/neighbors/rebuild",
        post_rebuild,
        "Rebuild the whole neighbour graph exactly, beside readers and updates.",
        Role.admin,
        STARTED,
        202,
        problems=(409, 503),
        audited=True,
    ),
    Operation(
        "GET",
        "/neighbors/quality",
        get_quality,
        "Completeness of the neighbour graph, and a sample of it against exact neighbours.",
        Role.read,
        QUALITY,
        problems=(503,),
        alone=True,
    ),
    Operation(
        "GET",
        "/runs",
        get_runs,
        "Long jobs, newest first.",
        Role.read,
        RUNS,
        query={"limit": f"at most this many, up to {MAX_RUNS}", "cursor": "next_cursor of a page"},
        problems=(422, 503),
    ),
    Operation(
        "GET",
        "/runs/{run_id}",
        get_run,
        "One long job with its progress, rate and ETA.",
        Role.read,
        RUN,
        problems=(404, 422, 503),
    ),
    Operation(
        "POST",
        "/runs/{run_id}/cancel",
        post_cancel,
        "Cancel a long job at its next step.",
        Role.write,
        RUN,
        202,
        problems=(404, 409, 422, 503),
        audited=True,
    ),
    Operation(
        "POST",
        "/runs/{run_id}/resume",
        post_resume,
        "Let a failed or cancelled long job go on where it stopped.",
        Role.write,
        RUN,
        202,
        problems=(404, 409, 422, 503),
        audited=True,
    ),
)
