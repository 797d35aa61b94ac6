"""Runs: long jobs with progress, a lease, and a mark to go on from after a kill."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

import psycopg
import structlog
from psycopg.errors import UniqueViolation

from workers.core.errors import (
    LostLeaseError,
    RunActiveError,
    RunStoppedError,
    UnknownKeyError,
)
from workers.core.queries import query
from workers.core.reads import ReadQuery, Row, Rows, fetch
from workers.core.reasons import reason_of
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Queue
from workers.jobs.lease import Lease, claim, lost_on_each
from workers.jobs.policy import Discard, Postpone, decide

CREATE = query("jobs/runs.create_run")
FIND_ACTIVE = query("jobs/runs.find_active")
CLAIM = query("jobs/runs.claim_run")
REPORT = query("jobs/runs.report_progress")
FINISH = query("jobs/runs.finish_run")
GIVE_BACK = query("jobs/runs.give_back")
PLAN = query("jobs/runs.note_plan")
RELEASE = query("jobs/runs.release_run")
RESUME = query("jobs/runs.resume_run")
CANCEL = query("jobs/runs.cancel_run")
FIND_WAITING = query("jobs/runs.find_waiting")
READ = query("jobs/runs.read_run")
LIST = query("jobs/runs.list_runs")

ENDED_EARLY = ("failed", "cancelled")

log = structlog.get_logger()


class RunKind(StrEnum):
    """What can run."""

    rebuild_neighbors = "rebuild_neighbors"
    recommendation_model = "recommendation_model"
    documents_all = "documents_all"
    documents_incremental = "documents_incremental"
    documents_stale = "documents_stale"
    documents_cleanup = "documents_cleanup"
    documents_ids = "documents_ids"
    recompute_users = "recompute_users"
    recompute_named_users = "recompute_named_users"
    import_file = "import_file"


@dataclass(frozen=True)
class Run:
    """A run as the API shows it; rates in items per second, progress in [0, 1].

    Of `done`, `provisional` were computed while an input was stale, and are computed again once it
    is fresh, also after the run has ended.
    """

    run_id: UUID
    kind: RunKind
    state: str
    total: int
    done: int
    failed: int
    progress: float
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    rate_per_s: float | None
    eta_s: float | None
    provisional: int


@dataclass(frozen=True)
class RunLease:
    """A claimed run. `position` is where the last worker got to."""

    run_id: UUID
    lease: Lease
    position: str | None

    def report(
        self,
        *,
        total: int,
        done: int,
        progress: float,
        failed: int = 0,
        provisional: int = 0,
        position: str | None = None,
    ) -> None:
        """Note progress and keep the lease; `position` must be committed work.

        Raises:
            RunStoppedError: the run was cancelled, or another worker has it now.
        """
        self._keep(
            REPORT,
            total=total,
            done=done,
            failed=failed,
            provisional=provisional,
            progress=progress,
            position=position,
        )

    def plan(self, conn: psycopg.Connection, *, total: int, position: str) -> None:
        """Note, in the transaction that stores parts of the work, how far the cutting got.

        Raises:
            RunStoppedError: the run was cancelled, or another worker has it now.
        """
        self._keep(PLAN, conn, total=total, position=position)

    def release(self) -> None:
        """Give up the lease and leave the run active: the parts that it was cut into end it."""
        self.lease.release(RELEASE)

    def _keep(
        self, statement: str, conn: psycopg.Connection | None = None, **fields: object
    ) -> None:
        try:
            (cancelled,) = self.lease.keep(statement, conn, **fields)
        except LostLeaseError:
            raise RunStoppedError("lost", self.run_id) from None
        if cancelled:
            raise RunStoppedError("cancelled", self.run_id)


def create_run(kind: RunKind, conn: psycopg.Connection | None = None) -> UUID:
    """Create a queued run.

    Args:
        conn: the transaction that stores what the run is about, if anything.

    Raises:
        RunActiveError: one of this kind is active; the error carries its id.
    """
    with transaction() if conn is None else nullcontext(conn) as chosen:
        row = chosen.execute(CREATE, {"run_id": uuid4(), "kind": kind}).fetchone()
        if row is None:
            raise RunActiveError(kind, find_active(kind, chosen))
    run_id: UUID = row[0]
    return run_id


def find_active(kind: RunKind, conn: psycopg.Connection) -> UUID | None:
    """Find the run of this kind that has not ended."""
    row = conn.execute(FIND_ACTIVE, {"kind": kind}).fetchone()
    return row[0] if row else None


@contextmanager
def leased_run(run_id: UUID) -> Iterator[RunLease | None]:
    """Work on a run inside the block; None when it has ended, is paused, or another worker has it.

    An error gives the run back to be resumed, or fails it, as the policy decides.
    """
    lease, rows = claim(
        CLAIM,
        {"run_id": run_id},
        queue=Queue.batch,
        max_attempts=settings().max_attempts,
        lost_worker=lost_on_each(settings().max_attempts),
    )
    if not rows or rows[0]["state"] != "running":
        yield None
        return
    try:
        yield RunLease(run_id, lease, rows[0]["position"])
    except RunStoppedError as stopped:
        log.info("run_stopped", run_id=str(run_id), reason=stopped.reason)
        if stopped.reason == "cancelled":
            lease.release(FINISH, state="cancelled", error=None)
    except Exception as error:
        decision = decide(error, rows[0]["attempts"], settings().max_attempts)
        lease.release(
            GIVE_BACK,
            error=reason_of(error),
            gives_up=isinstance(decision, Discard),
            given_back=int(isinstance(decision, Postpone)),
        )
        raise
    else:
        lease.release(FINISH, state="done", error=None)


def cancel_run(run_id: UUID) -> None:
    """Stop a run at its next step.

    Raises:
        UnknownKeyError: there is no such run.
        RunStoppedError: it has ended already.
    """
    with connection() as conn:
        if conn.execute(CANCEL, {"run_id": run_id}).fetchone() is None:
            raise RunStoppedError(read_run(run_id).state, run_id)


def resume_run(run_id: UUID) -> RunKind:
    """Let a failed or cancelled run go on where it stopped; returns its kind.

    Raises:
        UnknownKeyError: there is no such run.
        RunStoppedError: it is active, it is done, or another one of its kind is active.
    """
    try:
        with connection() as conn:
            row = conn.execute(RESUME, {"run_id": run_id}).fetchone()
    except UniqueViolation:  # another of its kind was resumed at the same moment
        row = None
    if row is None:
        state = read_run(run_id).state
        raise RunStoppedError(
            "not resumed: another of its kind is active" if state in ENDED_EARLY else state, run_id
        )
    return RunKind(row[0])


def find_waiting() -> list[tuple[UUID, RunKind]]:
    """Find runs to send a message for: their message got lost, or their worker died."""
    with connection() as conn:
        rows = conn.execute(
            FIND_WAITING,
            {
                "kinds": list(RunKind),
                "queue": Queue.batch,
                "resend_after_seconds": settings().resend_after_seconds,
            },
        ).fetchall()
    return [(run_id, RunKind(kind)) for run_id, kind in rows]


def read_run(run_id: UUID) -> Run:
    """Read a run.

    Raises:
        UnknownKeyError: there is no such run.
    """
    return fetch(run_query(run_id))


def run_query(run_id: UUID) -> ReadQuery[Run]:
    """Make the read of one run; raises as `read_run`."""

    def read(rows: Rows) -> Run:
        if not rows:
            raise UnknownKeyError("unknown_run", str(run_id))
        return _run(rows[0])

    return ReadQuery(READ, {"run_id": run_id}, read)


def list_runs(limit: int, before: tuple[datetime, UUID] | None = None) -> list[Run]:
    """Runs, newest first; `before` is the last one of the page before this one."""
    return fetch(runs_query(limit, before))


def runs_query(limit: int, before: tuple[datetime, UUID] | None = None) -> ReadQuery[list[Run]]:
    """Make the read of a page of runs."""
    created_at, run_id = before or (None, None)
    return ReadQuery(
        LIST,
        {"limit": limit, "before": created_at, "before_id": run_id},
        lambda rows: [_run(row) for row in rows],
    )


def _run(row: Row) -> Run:
    return Run(**{**row, "kind": RunKind(row["kind"])})
