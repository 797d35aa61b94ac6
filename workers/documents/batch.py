"""One batch of a documents run, from its claim to its end."""

from uuid import UUID

import structlog

from workers.core.errors import LostLeaseError
from workers.documents.batch_lease import claim_batch, fail_batch, finish_batch
from workers.documents.batches import choose_batches
from workers.documents.versions import named_versions
from workers.documents.work_batch import work_batch
from workers.jobs.runs import RunKind

log = structlog.get_logger()


def precompute_batch(run_id: UUID, batch_no: int | None = None) -> list[int] | None:
    """Work on one batch of a run: this one, or the first that is due.

    Returns:
        The batches to send a message for now. None when nothing was due.

    Raises:
        psycopg.Error: Postgres cannot be reached; the lease runs out by itself.
    """
    batch = claim_batch(run_id, batch_no)
    if batch is None:
        return None
    try:
        outcome = work_batch(
            batch.documents,
            named_versions(batch.versions),
            batch.keeper(),
            stale_only=batch.kind is RunKind.documents_stale,
        )
    except LostLeaseError:
        log.warning("batch_lost", run_id=str(run_id), batch_no=batch.batch_no)
        return []
    except Exception as error:  # noqa: BLE001  # whatever it is, the batch keeps it
        others_go_on = fail_batch(batch, error)
    else:
        others_go_on = finish_batch(batch, outcome)
    return choose_batches(run_id) if others_go_on else []
