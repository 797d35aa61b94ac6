"""One batch of documents: claim, read, refresh the vectors, look again, count.

Postgres says who works on what, Redis holds the vectors, and nothing commits in both. So every
write may be repeated, and after writing the batch looks at MongoDB once more: a document that was
deleted meanwhile is taken out again, and one that was edited is read and embedded once more. A
deletion or an edit after that look finds its key in the store, and is the next run's.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import psycopg
import structlog

from workers.core.errors import (
    BadDocumentError,
    LostBatchError,
    ProviderDeniedError,
    ProviderUnavailableError,
    SourceError,
)
from workers.core.metrics import DOCUMENTS_FAILED
from workers.core.outages import outage_of
from workers.core.queries import query
from workers.core.reasons import reason_of, traceback_of
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.documents import source, store
from workers.documents.failures import DocumentFailure, clear_failures, record_failures
from workers.documents.plan import choose_batches, finish_planned, lock_run
from workers.documents.refresh import refresh_vectors
from workers.documents.source import Row, Unreadable
from workers.documents.text import DocumentText, read_text
from workers.documents.versions import Version, named_versions
from workers.jobs.lease import LOST_WORKER
from workers.jobs.policy import backoff_s
from workers.jobs.runs import RunKind

CLAIM = query("documents/batch.claim_batch")
KEEP_LEASE = query("documents/batch.keep_lease")
FINISH_BATCH = query("documents/batch.finish_batch")
PUT_BACK = query("documents/batch.put_back")
BURY = query("documents/batch.bury_batch")
ADD_PROGRESS = query("documents/batch.add_progress")
NOTE_ERROR = query("documents/batch.note_error")
FAIL_RUN = query("documents/batch.fail_run")

# A document that is edited again and again is left to the next run after so many looks.
MOST_LOOKS = 3
# Beyond this one walk over a range's index entries costs less than looking up each by its id.
MOST_BY_NAME = 100

log = structlog.get_logger()


@dataclass(frozen=True)
class Batch:
    """A claimed batch: ours until the lease runs out. `attempts` counts this one too."""

    run_id: UUID
    batch_no: int
    kind: RunKind
    versions: list[str]
    after_id: str | None
    last_id: str | None
    doc_ids: list[str] | None
    attempts: int
    token: UUID

    @property
    def names(self) -> dict[str, object]:
        """As the queries name it."""
        return {"run_id": self.run_id, "batch_no": self.batch_no, "token": self.token}


@dataclass
class _Outcome:
    """What became of a batch's documents so far.

    `documents` are all that were looked at; vectors are counted per version, failures are kept
    per version.
    """

    documents: set[str] = field(default_factory=set)
    embedded: int = 0
    unchanged: int = 0
    deleted: set[str] = field(default_factory=set)
    failed: dict[str, dict[str, DocumentFailure]] = field(default_factory=dict)
    postponed: dict[str, ProviderUnavailableError] = field(default_factory=dict)

    @property
    def failed_ids(self) -> set[str]:
        """Documents that failed in any version."""
        return {doc_id for failures in self.failed.values() for doc_id in failures}


def precompute_batch(run_id: UUID, batch_no: int | None = None) -> list[int] | None:
    """Work on one batch of a run: this one, or the first that is due.

    Returns:
        The batches to send a message for now. None when nothing was due.

    Raises:
        psycopg.Error: Postgres cannot be reached; the lease runs out by itself.
    """
    batch = _claim(run_id, batch_no)
    if batch is None:
        return None
    if batch.attempts > settings().max_attempts:
        _bury(batch, f"{LOST_WORKER} on each of {settings().max_attempts} attempts")
        return choose_batches(run_id)
    try:
        outcome = _work(batch)
    except LostBatchError:
        log.warning("batch_lost", run_id=str(run_id), batch_no=batch.batch_no)
        return []
    except Exception as error:  # noqa: BLE001  # whatever it is, the batch keeps it
        return choose_batches(run_id) if _record_failure(batch, error) else []
    return choose_batches(run_id) if _finish(batch, outcome) else []


def _claim(run_id: UUID, batch_no: int | None) -> Batch | None:
    token = uuid4()
    with connection() as conn:
        row = conn.execute(
            CLAIM,
            {
                "run_id": run_id,
                "batch_no": batch_no,
                "token": token,
                "lease_seconds": settings().lease_seconds,
            },
        ).fetchone()
    if row is None:
        return None
    _, number, kind, versions, after_id, last_id, doc_ids, attempts = row
    return Batch(
        run_id, number, RunKind(kind), versions, after_id, last_id, doc_ids, attempts, token
    )


def _work(batch: Batch) -> _Outcome:
    versions = named_versions(batch.versions)
    outcome = _Outcome()
    rows = _rows(batch, versions, outcome)
    for _ in range(MOST_LOOKS):
        read_at_ms = time.time_ns() // 1_000_000
        texts = _read(rows, versions, outcome)
        embedded: set[str] = set()
        for version in versions:
            found = refresh_vectors(version, texts, read_at_ms, _lease_keeper(batch))
            embedded.update(found.embedded)
            outcome.embedded += len(found.embedded)
            outcome.unchanged += len(found.unchanged)
            outcome.failed.setdefault(version.version, {}).update(found.failed)
            outcome.postponed.update(found.postponed)
        written = {doc_id: texts[doc_id] for doc_id in embedded}
        edited = _look_again(batch, written, versions, outcome)
        if not edited:
            break
        rows = source.documents_of(edited)
    return outcome


def _rows(batch: Batch, versions: list[Version], outcome: _Outcome) -> Iterable[Row | Unreadable]:
    """The documents that have to be read, as they arrive."""
    if batch.kind is RunKind.documents_stale:
        stamps = source.stamps_between(batch.after_id, batch.last_id)
        fresh = _fresh(stamps, versions)
        for version in versions:
            store.extend(version.version, version.codec, fresh)
        outcome.documents.update(stamps)
        outcome.unchanged += len(fresh) * len(versions)
        stale = stamps.keys() - set(fresh)
        return source.documents_of(sorted(stale)) if stale else ()
    if batch.doc_ids is None:
        return source.documents_between(batch.after_id, batch.last_id)
    gone = set(batch.doc_ids) - source.stamps_of(batch.doc_ids).keys()
    _take_out(gone, versions, outcome)
    return source.documents_of([*dict.fromkeys(batch.doc_ids)])


def _fresh(stamps: dict[str, datetime | None], versions: list[Version]) -> list[str]:
    """Documents whose vectors, of every version, are newer than their last modification."""
    doc_ids = list(stamps)
    fresh = set(doc_ids)
    for version in versions:
        heads = store.stored_heads(version.version, version.codec, doc_ids)
        good = heads.found & (heads.dimensions == version.dimensions)
        fresh &= {
            doc_id
            for doc_id, modified_at, is_good, ts_ms in zip(
                doc_ids, stamps.values(), good, heads.ts_ms.tolist(), strict=True
            )
            if is_good and (modified_at is None or modified_at.timestamp() * 1000 <= ts_ms)
        }
    return sorted(fresh)


def _read(
    rows: Iterable[Row | Unreadable], versions: list[Version], outcome: _Outcome
) -> dict[str, DocumentText]:
    """The texts; of documents that share an id the one that was modified last."""
    texts: dict[str, DocumentText] = {}
    for row in rows:
        if isinstance(row, Unreadable):
            outcome.documents.add(row.doc_id)
            for version in versions:
                unreadable = DocumentFailure("invalid_bson", row.error)
                outcome.failed.setdefault(version.version, {})[row.doc_id] = unreadable
            continue
        doc_id = row.get("doc_id")
        name = doc_id if isinstance(doc_id, str) else f"_id:{row['_id']}"
        outcome.documents.add(name)
        try:
            text = read_text(row)
        except BadDocumentError as error:
            for version in versions:
                failure = DocumentFailure(error.reason, str(error))
                outcome.failed.setdefault(version.version, {})[name] = failure
            continue
        known = texts.get(text.doc_id)
        if known is None or _modified(known) <= _modified(text):
            texts[text.doc_id] = text
    return texts


def _look_again(
    batch: Batch, written: dict[str, DocumentText], versions: list[Version], outcome: _Outcome
) -> list[str]:
    """Take out what was deleted since it was read; returns what was edited."""
    if not written:
        return []
    if batch.doc_ids is None and len(written) > MOST_BY_NAME:
        stamps = source.stamps_between(batch.after_id, batch.last_id)
    else:
        stamps = source.stamps_of(written)
    _take_out(written.keys() - stamps.keys(), versions, outcome)
    return [
        doc_id
        for doc_id, text in written.items()
        if doc_id in stamps and stamps[doc_id] != text.modified_at
    ]


def _take_out(gone: Iterable[str], versions: list[Version], outcome: _Outcome) -> None:
    doc_ids = sorted(gone)
    for version in versions:
        store.delete_values(version.version, doc_ids)
    outcome.deleted.update(doc_ids)
    outcome.documents.update(doc_ids)


def _modified(text: DocumentText) -> float:
    return text.modified_at.timestamp() if text.modified_at else 0.0


def _lease_keeper(batch: Batch) -> Callable[[], None]:
    """Prolongs the lease when a third of it is over.

    Raises:
        LostBatchError: another worker has the batch.
    """
    due = time.monotonic() + settings().lease_seconds / 3

    def keep() -> None:
        nonlocal due
        if time.monotonic() < due:
            return
        with connection() as conn:
            parameters = {**batch.names, "lease_seconds": settings().lease_seconds}
            if conn.execute(KEEP_LEASE, parameters).fetchone() is None:
                raise LostBatchError(batch.run_id, batch.batch_no)
        due = time.monotonic() + settings().lease_seconds / 3

    return keep


def _finish(batch: Batch, outcome: _Outcome) -> bool:
    """Write down what became of the documents; False if part of them has to wait."""
    failed_ids = outcome.failed_ids
    with transaction() as conn:
        lock_run(conn, batch.run_id)
        if outcome.postponed:
            error = next(iter(outcome.postponed.values()))
            delay_s = max(each.retry_after_s for each in outcome.postponed.values())
            ours = _put_back(
                conn, batch, str(error), delay_s, counts=False, embedded=outcome.embedded
            )
        else:
            counts = {
                "documents": len(outcome.documents),
                "embedded": outcome.embedded,
                "unchanged": outcome.unchanged,
                "failed": len(failed_ids),
                "deleted": len(outcome.deleted),
            }
            ours = conn.execute(FINISH_BATCH, {**batch.names, **counts}).fetchone() is not None
            if ours:
                conn.execute(ADD_PROGRESS, {"run_id": batch.run_id, **counts})
        if not ours:
            return False
        _store_failures(conn, batch, outcome, failed_ids)
        finish_planned(batch.run_id, conn)
    log.info(
        "batch_postponed" if outcome.postponed else "batch_done",
        run_id=str(batch.run_id),
        batch_no=batch.batch_no,
        documents=len(outcome.documents),
        embedded=outcome.embedded,
        unchanged=outcome.unchanged,
        failed=len(failed_ids),
        deleted=len(outcome.deleted),
    )
    return not outcome.postponed


def _store_failures(
    conn: psycopg.Connection, batch: Batch, outcome: _Outcome, failed_ids: set[str]
) -> None:
    fine = outcome.documents - failed_ids - outcome.postponed.keys()
    clear_failures(conn, batch.versions, sorted(fine))
    for version, failures in sorted(outcome.failed.items()):
        new = {doc_id: each for doc_id, each in failures.items() if each.reason != "given_up"}
        record_failures(conn, version, new)
        for reason in {failure.reason for failure in new.values()}:
            count = sum(failure.reason == reason for failure in new.values())
            DOCUMENTS_FAILED.add(count, reason=reason)


def _record_failure(batch: Batch, error: Exception) -> bool:
    """Decide what an error means for the batch and its run; True if others can go on."""
    reason = reason_of(error)
    last = batch.attempts >= settings().max_attempts
    outage = outage_of(error)
    log.warning(
        "batch_failed",
        run_id=str(batch.run_id),
        batch_no=batch.batch_no,
        attempts=batch.attempts,
        error=reason,
        traceback=traceback_of(error),
    )
    with transaction() as conn:
        lock_run(conn, batch.run_id)
        if outage is not None and not outage.full:
            _put_back(conn, batch, reason, outage.retry_after_s, counts=False)
            return False
        if isinstance(error, ProviderDeniedError):
            # No batch of this run would fare better.
            _put_back(conn, batch, reason, 0, counts=False)
            conn.execute(FAIL_RUN, {"run_id": batch.run_id, "error": str(error)})
            return False
        if isinstance(error, SourceError) or outage is not None:
            _put_back(conn, batch, reason, backoff_s(batch.attempts), counts=True)
            if last:
                conn.execute(FAIL_RUN, {"run_id": batch.run_id, "error": str(error)})
            return False
    if last:
        _bury(batch, reason)
    else:
        with transaction() as conn:
            lock_run(conn, batch.run_id)
            _put_back(conn, batch, reason, backoff_s(batch.attempts), counts=True)
    return True


def _put_back(
    conn: psycopg.Connection,
    batch: Batch,
    error: str,
    delay_s: float,
    *,
    counts: bool,
    embedded: int = 0,
) -> bool:
    row = conn.execute(
        PUT_BACK,
        {
            **batch.names,
            "error": error,
            "delay_s": delay_s,
            "given_back": 0 if counts else 1,
            "embedded": embedded,
        },
    ).fetchone()
    if row is not None:
        conn.execute(NOTE_ERROR, {"run_id": batch.run_id, "error": error})
    return row is not None


def _bury(batch: Batch, error: str) -> None:
    with transaction() as conn:
        lock_run(conn, batch.run_id)
        conn.execute(BURY, {**batch.names, "error": error})
        finish_planned(batch.run_id, conn)
