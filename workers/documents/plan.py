"""Documents runs: begin one, and cut it into batches.

A batch is a range of ids or a list of them, stored in Postgres; a message only says which one to
look at. Of all that wait, at most `DOCUMENT_BATCHES_UNDER_WAY` have a message: a run over a
million documents keeps the queue as short as one over twenty thousand, and other jobs get their
turn. Planning goes a few pages at a time, so that it can be killed anywhere.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from workers.core.errors import RunActiveError, UnknownKeyError
from workers.core.foreign_text import is_writable
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.documents import source
from workers.documents.batches import choose_batches, finish_planned
from workers.documents.failures import DocumentFailure, find_due, record_failures
from workers.documents.source import Mark, Row
from workers.documents.versions import versions_to_keep_fresh
from workers.jobs.runs import RunKind, RunLease, create_run, find_active, leased_run

ADD_RUN = query("documents/plan.add_run")
READ_RUN = query("documents/plan.read_run")
ADD_BATCH = query("documents/plan.add_batch")
SET_PLANNED = query("documents/plan.set_planned")
REVIVE_BATCHES = query("documents/plan.revive_batches")

PAGES_A_STEP = 20
MAX_WITHOUT_ID = 1000
THE_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DocumentsRun:
    """What a run is about; `planned` once all of its batches are known."""

    run_id: UUID
    kind: RunKind
    state: str
    versions: list[str]
    since: datetime | None
    planned: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", RunKind(self.kind))


@dataclass(frozen=True)
class Step:
    """What to send after a step of planning: batches, and the run itself if there is more."""

    batches: list[int]
    more: bool = False


@dataclass(frozen=True)
class _Position:
    """How far planning got: batches and documents so far, and the last id or mark."""

    batches: int = 0
    documents: int = 0
    last_id: str = ""
    modified_at: datetime | None = None

    @classmethod
    def read(cls, text: str | None) -> "_Position":
        if text is None:
            return cls()
        batches, documents, last_id, modified_at = json.loads(text)
        return cls(
            batches,
            documents,
            last_id,
            datetime.fromisoformat(modified_at) if modified_at else None,
        )

    def __str__(self) -> str:
        modified_at = self.modified_at.isoformat() if self.modified_at else None
        # ASCII, because Postgres holds no NUL characters and an id may have one.
        return json.dumps([self.batches, self.documents, self.last_id, modified_at])


@dataclass(frozen=True)
class _Page:
    """One batch to be, how many documents it has, and where planning goes on after it."""

    documents: int
    next: _Position
    after_id: str | None = None
    last_id: str | None = None
    doc_ids: list[str] | None = None
    without_id: Sequence[Row] = ()


def begin_documents_run(kind: RunKind, doc_ids: Sequence[str] = ()) -> UUID:
    """Begin a run over the documents; of named ones if the kind is `documents_ids`.

    Raises:
        RunActiveError: one of this kind is active, or one over all documents, which looks at
            whatever an incremental one would; the error carries its id.
    """
    versions = [version.version for version in versions_to_keep_fresh()]
    with transaction() as conn:
        covers = find_active(RunKind.documents_all, conn)
        if kind is RunKind.documents_incremental and covers is not None:
            # A first load takes longer than the time between two incremental runs, and each of
            # those would walk the whole collection beside it. The next one goes on where it began.
            raise RunActiveError(RunKind.documents_all, covers)
        run_id = create_run(kind, conn)
        conn.execute(
            ADD_RUN,
            {
                "run_id": run_id,
                "versions": versions,
                "overlap_seconds": settings().document_overlap_seconds,
            },
        )
        for batch_no, start in enumerate(range(0, len(doc_ids), settings().document_batch_size)):
            named = list(doc_ids[start : start + settings().document_batch_size])
            _add_batch(conn, run_id, batch_no, _Page(len(named), _Position(), doc_ids=named))
    return run_id


def plan_documents(run_id: UUID) -> Step:
    """Cut the next pages of a run into batches, unless all are known; and say what to send.

    Raises:
        SourceError: MongoDB cannot be read; the run is tried again, and fails with this reason.
        psycopg.Error: a store failed; the run is resumed later.
    """
    run = read_documents_run(run_id)
    more = False
    if run.state == "queued" or not run.planned:
        with leased_run(run_id) as lease:
            if lease is not None:
                more = not _plan(run, lease)
                lease.release()
        if not more:
            finish_planned(run_id)
    return Step(choose_batches(run_id), more)


def read_documents_run(run_id: UUID) -> DocumentsRun:
    """Read what a run is about.

    Raises:
        UnknownKeyError: there is no such run.
    """
    with connection() as conn:
        cursor = conn.cursor(row_factory=class_row(DocumentsRun))
        run = cursor.execute(READ_RUN, {"run_id": run_id}).fetchone()
    if run is None:
        raise UnknownKeyError("unknown_run", str(run_id))
    return run


def _plan(run: DocumentsRun, lease: RunLease) -> bool:
    """Store some more batches; returns whether all are known now."""
    position = _Position.read(lease.position)
    if lease.position is None and not run.planned:
        source.check_source()
        source.warn_of_missing_indexes()
    if run.state == "queued":
        with connection() as conn:
            conn.execute(REVIVE_BATCHES, {"run_id": run.run_id})
    if run.planned:
        return True
    pages = {
        RunKind.documents_incremental: _modified_pages,
        RunKind.documents_ids: _no_pages,
    }.get(run.kind, _all_pages)(run, position)
    expected = (
        source.count_documents()
        if run.kind in (RunKind.documents_all, RunKind.documents_stale)
        else 0
    )
    for _ in range(PAGES_A_STEP):
        page = next(pages, None)
        with transaction() as conn:
            if page is None:
                conn.execute(SET_PLANNED, {"run_id": run.run_id})
            else:
                _add_page(conn, run, position, page)
                position = page.next
            total = position.documents if page is None else max(expected, position.documents)
            lease.plan(conn, total=total, position=str(position))
        if page is None:
            return True
    return False


def _add_page(conn: psycopg.Connection, run: DocumentsRun, at: _Position, page: _Page) -> None:
    if page.next.batches > at.batches:
        _add_batch(conn, run.run_id, at.batches, page)
    failures = {
        f"_id:{row['_id']}": DocumentFailure("no_doc_id", "doc_id is missing or no text")
        for row in page.without_id
    }
    for version in run.versions:
        record_failures(conn, version, failures)


def _add_batch(conn: psycopg.Connection, run_id: UUID, batch_no: int, page: _Page) -> None:
    conn.execute(
        ADD_BATCH,
        {
            "run_id": run_id,
            "batch_no": batch_no,
            "after_id": page.after_id,
            "last_id": page.last_id,
            "doc_ids": page.doc_ids,
        },
    )


def _all_pages(run: DocumentsRun, at: _Position) -> Iterator[_Page]:  # noqa: ARG001  # see _plan
    """Cut ranges of ids that together cover every document, the last one open at its end."""
    size = settings().document_batch_size
    while True:
        ids = source.ids_after(at.last_id, size)
        full = len(ids) == size
        # A range ends at an id that Postgres can hold.
        last = next((doc_id for doc_id in reversed(ids) if is_writable(doc_id)), None)
        documents = at.documents + len(ids)
        after_id = at.last_id or None
        if not full or last is None:
            break
        at = _Position(at.batches + 1, documents, last)
        yield _Page(len(ids), at, after_id, last)
    without_id = source.documents_without_id(MAX_WITHOUT_ID)
    if ids or without_id:
        at = _Position(at.batches + bool(ids), documents, ids[-1] if ids else at.last_id)
        yield _Page(len(ids), at, after_id, None, without_id=without_id)


def _modified_pages(run: DocumentsRun, at: _Position) -> Iterator[_Page]:
    """Page through what changed since the last run began, by time; then what failed and is due."""
    mark = Mark(at.modified_at or run.since or THE_BEGINNING, at.last_id)
    while True:
        rows, following = source.modified_after(mark, settings().document_batch_size)
        if following is None:
            break
        mark = following
        ids = [row["doc_id"] for row in rows if _is_id(row.get("doc_id"))]
        without_id = [row for row in rows if not _is_id(row.get("doc_id"))]
        batches = at.batches + bool(ids)
        at = _Position(batches, at.documents + len(ids), mark.doc_id, mark.modified_at)
        yield _Page(len(ids), at, doc_ids=ids, without_id=without_id)
    # As many as fit into one step: those that are left are due at the next run too.
    size = settings().document_batch_size
    due = [
        *find_due(run.versions, PAGES_A_STEP // 2 * size),
        *source.modified_beyond(MAX_WITHOUT_ID),
    ]
    for start in range(0, len(due), size):
        ids = due[start : start + size]
        at = _Position(at.batches + 1, at.documents + len(ids), mark.doc_id, mark.modified_at)
        yield _Page(len(ids), at, doc_ids=ids)


def _no_pages(run: DocumentsRun, at: _Position) -> Iterator[_Page]:  # noqa: ARG001  # see _plan
    """Plan nothing: the batches of named documents were stored when the run began."""
    return iter(())


def _is_id(doc_id: object) -> bool:
    return isinstance(doc_id, str) and doc_id != "" and is_writable(doc_id)
