"""Keys whose document is gone, and versions whose grace is over, leave the feature store."""

from uuid import UUID

import structlog

from workers.core.errors import SourceError
from workers.core.settings import settings
from workers.core.stores import transaction
from workers.documents import source, store
from workers.documents.failures import clear_failures, failed_ids
from workers.documents.versions import forget_version, list_versions, removable_versions
from workers.jobs.runs import RunLease, leased_run

log = structlog.get_logger()


def cleanup_documents(run_id: UUID) -> None:
    """Walk over all keys once, a batch at a time; goes on where a killed worker left off.

    A key that is written during the walk may be missed, and is found by the next one. Should
    Redis have been replaced since the kill, so are those that its cursor skips.

    Raises:
        SourceError: MongoDB cannot be read, or holds no document at all; nothing is removed.
        redis.RedisError, psycopg.Error: a store failed; the run is resumed later.
    """
    with leased_run(run_id) as lease:
        if lease is not None:
            _clean_up(lease)


def _clean_up(lease: RunLease) -> None:
    source.check_source()
    if source.count_documents() == 0:
        # Somebody reloads it, or it is the wrong one. If it is neither, the keys expire.
        raise SourceError("mongo_collection_empty", "the collection is empty; no key was removed")
    known = {version.version for version in list_versions()}
    over = set(removable_versions())
    cursor, looked_at, removed = _read_position(lease.position)
    while True:
        cursor, found = store.scan(cursor)
        looked_at += len(found)
        # Looked at anew: settings that go back make a version of theirs wanted again.
        over &= set(removable_versions())
        # Versions that are not in our list are not ours.
        removed += _remove([pair for pair in found if pair[0] in known], over)
        lease.report(
            total=looked_at,
            done=looked_at,
            progress=0.0,
            position=f"{cursor} {looked_at} {removed}",
        )
        if not cursor:
            break
    log.info("documents_cleaned", run_id=str(lease.run_id), looked_at=looked_at, removed=removed)
    for version in sorted(over):
        forget_version(version)
    _forget_failures()


def _remove(pairs: list[tuple[str, str]], removable: set[str]) -> int:
    doc_ids = {doc_id for version, doc_id in pairs if version not in removable}
    there = source.stamps_of(sorted(doc_ids)).keys() if doc_ids else set()
    gone: dict[str, list[str]] = {}
    for version, doc_id in pairs:
        if version in removable or doc_id not in there:
            gone.setdefault(version, []).append(doc_id)
    return sum(store.delete_values(*each) for each in gone.items())


def _forget_failures() -> None:
    """Forget failures of documents that are gone; every run notes those without an id anew."""
    after = ""
    while ids := failed_ids(after, settings().document_batch_size):
        gone = set(ids) - source.stamps_of(ids).keys()
        with transaction() as conn:
            clear_failures(conn, [version.version for version in list_versions()], sorted(gone))
        after = ids[-1]


def _read_position(position: str | None) -> tuple[int, int, int]:
    if position is None:
        return 0, 0, 0
    cursor, looked_at, removed = position.split(" ")
    return int(cursor), int(looked_at), int(removed)
