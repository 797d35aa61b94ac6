"""The lease on a batch of documents: claim it, and end, postpone, fail or bury it in its run.

Of every end the batch, its run and its documents' failures are written in one transaction, and
only while the batch is ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog

from workers.core.errors import ProviderDeniedError, SourceError
from workers.core.metrics import DOCUMENTS_FAILED
from workers.core.outages import outage_of
from workers.core.queries import query
from workers.core.reasons import reason_of, traceback_of
from workers.core.settings import settings
from workers.documents.batches import ending_batch
from workers.documents.failures import clear_failures, record_failures
from workers.documents.outcome import Outcome
from workers.documents.read_batch import Range
from workers.jobs.lease import Lease, claim, lost_on_each
from workers.jobs.policy import Postpone, Retry, backoff_s, decide
from workers.jobs.runs import RunKind

CLAIM = query("documents/batch_lease.claim_batch")
KEEP = query("documents/batch_lease.keep_lease")
FINISH = query("documents/batch_lease.finish_batch")
PUT_BACK = query("documents/batch_lease.put_back")
BURY = query("documents/batch_lease.bury_batch")
ADD_PROGRESS = query("documents/batch_lease.add_progress")
NOTE_ERROR = query("documents/batch_lease.note_error")
FAIL_RUN = query("documents/batch_lease.fail_run")

log = structlog.get_logger()


@dataclass(frozen=True)
class BatchLease:
    """A claimed batch of a run. `attempts` counts this one too, `versions` are to be refreshed."""

    run_id: UUID
    batch_no: int
    lease: Lease
    kind: RunKind
    versions: list[str]
    documents: Range
    attempts: int

    def keeper(self) -> Callable[[], None]:
        """Make the function that keeps the lease during the work."""
        return self.lease.keeper(KEEP)


def claim_batch(run_id: UUID, batch_no: int | None = None) -> BatchLease | None:
    """Claim this batch of a run, or the first that is due; None when none is.

    One whose workers were lost too often is buried, and the next that is due comes in its place.
    """
    while True:
        lease, rows = claim(CLAIM, {"run_id": run_id}, batch_no=batch_no)
        if not rows:
            return None
        row = rows[0]
        batch = BatchLease(
            run_id,
            row["batch_no"],
            Lease(lease.token, {"run_id": run_id, "batch_no": row["batch_no"]}),
            RunKind(row["kind"]),
            row["versions"],
            Range(row["after_id"], row["last_id"], row["doc_ids"]),
            row["attempts"],
        )
        if batch.attempts <= settings().max_attempts:
            return batch
        _bury(batch, lost_on_each(settings().max_attempts))
        batch_no = None


def finish_batch(batch: BatchLease, outcome: Outcome) -> bool:
    """Write down what became of the documents; False if part of them has to wait."""
    counts = {
        "documents": len(outcome.documents),
        "embedded": outcome.embedded,
        "unchanged": outcome.unchanged,
        "failed": len(outcome.failed_ids),
        "deleted": len(outcome.deleted),
    }
    with ending_batch(batch.run_id) as conn:
        if outcome.postponed:
            error = next(iter(outcome.postponed.values()))
            delay_s = max(each.retry_after_s for each in outcome.postponed.values())
            ours = _put_back(
                conn, batch, reason_of(error), Postpone(delay_s), embedded=outcome.embedded
            )
        else:
            ours = batch.lease.release(FINISH, conn, **counts) is not None
            if ours:
                conn.execute(ADD_PROGRESS, {"run_id": batch.run_id, **counts})
        if not ours:
            return False
        _store_failures(conn, batch, outcome)
    log.info(
        "batch_postponed" if outcome.postponed else "batch_done",
        run_id=str(batch.run_id),
        batch_no=batch.batch_no,
        **counts,
    )
    return not outcome.postponed


def fail_batch(batch: BatchLease, error: Exception) -> bool:
    """Record what an error means for the batch and its run; True if other batches can go on."""
    reason, last = reason_of(error), batch.attempts >= settings().max_attempts
    log.warning(
        "batch_failed",
        run_id=str(batch.run_id),
        batch_no=batch.batch_no,
        attempts=batch.attempts,
        error=reason,
        traceback=traceback_of(error),
    )
    if _concerns_the_run(error):
        denied = isinstance(error, ProviderDeniedError)
        with ending_batch(batch.run_id) as conn:
            decision = Postpone(0) if denied else Retry(backoff_s(batch.attempts))
            _put_back(conn, batch, reason, decision)
            if denied or last:
                conn.execute(FAIL_RUN, {"run_id": batch.run_id, "error": reason})
        return False
    match decide(error, batch.attempts, settings().max_attempts):
        case Postpone() | Retry() as decision:
            with ending_batch(batch.run_id) as conn:
                _put_back(conn, batch, reason, decision)
            return isinstance(decision, Retry)
        case _:
            _bury(batch, reason)
    return True


def _concerns_the_run(error: Exception) -> bool:
    """Say whether no batch of the run would fare better, and somebody has to act."""
    outage = outage_of(error)
    return isinstance(error, ProviderDeniedError | SourceError) or (
        outage is not None and outage.full
    )


def _store_failures(conn: psycopg.Connection, batch: BatchLease, outcome: Outcome) -> None:
    clear_failures(conn, batch.versions, sorted(outcome.fine_ids))
    for version, failures in sorted(outcome.failed.items()):
        new = {doc_id: each for doc_id, each in failures.items() if each.reason != "given_up"}
        record_failures(conn, version, new)
        for reason in {failure.reason for failure in new.values()}:
            count = sum(failure.reason == reason for failure in new.values())
            DOCUMENTS_FAILED.add(count, reason=reason)


def _put_back(
    conn: psycopg.Connection,
    batch: BatchLease,
    error: str,
    decision: Postpone | Retry,
    embedded: int = 0,
) -> bool:
    """Let the batch wait for another try; False if it is no longer ours."""
    row = batch.lease.release(
        PUT_BACK,
        conn,
        error=error,
        delay_s=decision.delay_s,
        given_back=int(isinstance(decision, Postpone)),
        embedded=embedded,
    )
    if row is not None:
        conn.execute(NOTE_ERROR, {"run_id": batch.run_id, "error": error})
    return row is not None


def _bury(batch: BatchLease, error: str) -> None:
    with ending_batch(batch.run_id) as conn:
        batch.lease.release(BURY, conn, error=error)
