"""Send runs: the only way from a run to the actor that works on it."""

from collections.abc import Callable
from uuid import UUID

import redis
import structlog

from actors.books import build_recommendation_model
from actors.documents import cleanup_documents, precompute_documents
from actors.imports import import_file
from actors.neighbors import rebuild_neighbors
from actors.users import recompute_users
from workers.core.errors import RunActiveError
from workers.core.settings import settings
from workers.documents.plan import begin_documents_run
from workers.jobs.runs import RunKind
from workers.jobs.schedules import hand_over, leased_firing

ACTORS = {
    RunKind.rebuild_neighbors: rebuild_neighbors,
    RunKind.recommendation_model: build_recommendation_model,
    RunKind.documents_all: precompute_documents,
    RunKind.documents_incremental: precompute_documents,
    RunKind.documents_stale: precompute_documents,
    RunKind.documents_ids: precompute_documents,
    RunKind.documents_cleanup: cleanup_documents,
    RunKind.recompute_users: recompute_users,
    RunKind.recompute_named_users: recompute_users,
    RunKind.import_file: import_file,
}

log = structlog.get_logger()


def send_run(run_id: UUID, kind: RunKind) -> None:
    """Send a run's message; if Redis is down the reconciler sends it later."""
    try:
        ACTORS[kind].send(str(run_id))
    except redis.RedisError as error:
        log.warning("run_not_sent", run_id=str(run_id), kind=kind, error=str(error))


def begin_run(kind: RunKind, create: Callable[[RunKind], UUID], firing_id: str) -> None:
    """Begin the run of a timed job; one of its kind that is active already counts as this one."""
    try:
        run_id = create(kind)
    except RunActiveError as error:
        if error.run_id is None:  # it has ended in between: the scheduler tries again
            return
        run_id = error.run_id
        log.info("run_goes_on", kind=kind, run_id=str(run_id))
    hand_over(UUID(firing_id), run_id)
    send_run(run_id, kind)


def begin_documents(kind: RunKind, firing_id: str) -> None:
    """Begin a run over the documents, unless there is no source of any."""
    if settings().mongo_url is None:
        with leased_firing(UUID(firing_id)):
            return
    begin_run(kind, begin_documents_run, firing_id)
