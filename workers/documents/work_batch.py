"""The work on a batch of documents: read, refresh the vectors, look again, until nothing changes.

Knows neither run nor lease. Redis holds the vectors and MongoDB the documents, and nothing commits
in both. So every write may be repeated, and after writing MongoDB is asked once more: a document
that was deleted meanwhile is taken out again, and one that was edited is read and embedded once
more. A deletion or an edit after that look finds its key in the store, and is the next run's.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from workers.documents import source, store
from workers.documents.outcome import Outcome, add
from workers.documents.read_batch import (
    Range,
    deleted,
    find_documents,
    find_stale_documents,
    look_again,
    read_texts,
)
from workers.documents.refresh import refresh_vectors
from workers.documents.source import Row, Unreadable
from workers.documents.versions import Version

# A document that is edited again and again is left to the next run after so many looks.
MAX_LOOKS = 3


@dataclass(frozen=True)
class _Look:
    """What one look did, and the documents that were edited during it."""

    outcome: Outcome
    edited: list[str]


def work_batch(
    documents: Range,
    versions: Sequence[Version],
    keep_lease: Callable[[], None],
    *,
    stale_only: bool,
) -> Outcome:
    """Bring the vectors of a batch's documents up to date, in every version.

    Args:
        keep_lease: called now and then, and right before anything is stored.
        stale_only: only of documents that are newer than their vectors.

    Raises:
        LostLeaseError: another worker has the batch now.
        SourceError: MongoDB cannot be read.
        ProviderDeniedError: no text would be accepted.
        redis.RedisError: the feature store does not answer, or is full.
    """
    found = find_stale_documents(documents, versions) if stale_only else find_documents(documents)
    _take_out(found.outcome.deleted, versions)
    outcomes, rows = [found.outcome], found.rows
    for _ in range(MAX_LOOKS):
        look = _look(documents, rows, versions, keep_lease)
        outcomes.append(look.outcome)
        if not look.edited:
            break
        rows = source.documents_of(look.edited)
    return add(outcomes)


def _look(
    documents: Range,
    rows: Iterable[Row | Unreadable],
    versions: Sequence[Version],
    keep_lease: Callable[[], None],
) -> _Look:
    read_at_ms = time.time_ns() // 1_000_000
    read = read_texts(rows, versions)
    refreshed = {
        version.version: refresh_vectors(version, read.texts, read_at_ms, keep_lease)
        for version in versions
    }
    written = {doc_id for each in refreshed.values() for doc_id in each.embedded}
    since = look_again(documents, {doc_id: read.texts[doc_id] for doc_id in written})
    _take_out(since.gone, versions)
    vectors = [
        Outcome(
            embedded=len(each.embedded),
            unchanged=len(each.unchanged),
            failed={version: each.failed},
            postponed=each.postponed,
        )
        for version, each in refreshed.items()
    ]
    return _Look(add([read.outcome, *vectors, deleted(since.gone)]), since.edited)


def _take_out(gone: Iterable[str], versions: Sequence[Version]) -> None:
    doc_ids = sorted(gone)
    for version in versions:
        store.delete_values(version.version, doc_ids)
