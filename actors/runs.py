"""Send runs: the only way from a run to the actor that works on it."""

from uuid import UUID

import redis
import structlog

from actors.cleanup_documents import cleanup_documents
from actors.precompute_documents import precompute_documents
from actors.rebuild_neighbors import rebuild_neighbors
from actors.recompute_users import recompute_users
from workers.runs import RunKind

ACTORS = {
    RunKind.rebuild_neighbors: rebuild_neighbors,
    RunKind.documents_all: precompute_documents,
    RunKind.documents_incremental: precompute_documents,
    RunKind.documents_stale: precompute_documents,
    RunKind.documents_ids: precompute_documents,
    RunKind.documents_cleanup: cleanup_documents,
    RunKind.recompute_users: recompute_users,
    RunKind.recompute_named_users: recompute_users,
}

log = structlog.get_logger()


def send_run(run_id: UUID, kind: RunKind) -> None:
    """Send a run's message; if Redis is down the reconciler sends it later."""
    try:
        ACTORS[kind].send(str(run_id))
    except redis.RedisError as error:
        log.warning("run_not_sent", run_id=str(run_id), kind=kind, error=str(error))
