"""Which documents of a batch have to be read, their texts, and what happened to them since."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from workers.core.errors import BadDocumentError
from workers.documents import source, store
from workers.documents.failures import DocumentFailure
from workers.documents.outcome import Outcome, failed_everywhere
from workers.documents.source import Row, Unreadable
from workers.documents.text import DocumentText, read_text
from workers.documents.versions import Version

# Beyond this one walk over a range's index entries costs less than looking up each by its id.
MAX_NAMED_IDS = 100


@dataclass(frozen=True)
class Range:
    """The documents of a batch: those named by `doc_ids`, or else of (after_id, last_id]."""

    after_id: str | None = None
    last_id: str | None = None
    doc_ids: Sequence[str] | None = None


@dataclass(frozen=True)
class Found:
    """Documents to read, as they arrive, and what became of those that need not be read."""

    rows: Iterable[Row | Unreadable]
    outcome: Outcome = field(default_factory=Outcome)


@dataclass(frozen=True)
class Texts:
    """Texts by id, and what became of documents that have none."""

    texts: Mapping[str, DocumentText]
    outcome: Outcome


@dataclass(frozen=True)
class Since:
    """What happened to documents since they were read."""

    edited: list[str]
    gone: list[str]


def find_documents(documents: Range) -> Found:
    """Find all documents of a batch; named ones that do not exist are deleted."""
    if documents.doc_ids is None:
        return Found(source.documents_between(documents.after_id, documents.last_id))
    gone = set(documents.doc_ids) - source.stamps_of(documents.doc_ids).keys()
    return Found(source.documents_of([*dict.fromkeys(documents.doc_ids)]), deleted(gone))


def find_stale_documents(documents: Range, versions: Sequence[Version]) -> Found:
    """Find those of a range whose vector, of any version, is older than they are.

    The vectors of the others live on.
    """
    stamps = source.stamps_between(documents.after_id, documents.last_id)
    fresh = _fresh(stamps, versions)
    for version in versions:
        store.extend(version.version, version.codec, fresh)
    stale = stamps.keys() - set(fresh)
    return Found(
        source.documents_of(sorted(stale)) if stale else (),
        Outcome(documents=frozenset(stamps), unchanged=len(fresh) * len(versions)),
    )


def read_texts(rows: Iterable[Row | Unreadable], versions: Sequence[Version]) -> Texts:
    """Read the texts; of documents that share an id the one that was modified last."""
    texts: dict[str, DocumentText] = {}
    failures: dict[str, DocumentFailure] = {}
    names: set[str] = set()
    for row in rows:
        if isinstance(row, Unreadable):
            failures[row.doc_id] = DocumentFailure("invalid_bson", row.error)
            continue
        doc_id = row.get("doc_id")
        name = doc_id if isinstance(doc_id, str) else f"_id:{row['_id']}"
        names.add(name)
        try:
            text = read_text(row)
        except BadDocumentError as error:
            failures[name] = DocumentFailure(error.reason, str(error))
            continue
        known = texts.get(text.doc_id)
        if known is None or _modified(known) <= _modified(text):
            texts[text.doc_id] = text
    failed = failed_everywhere(failures, (version.version for version in versions))
    return Texts(texts, Outcome(documents=frozenset(names | failures.keys()), failed=failed))


def look_again(documents: Range, written: Mapping[str, DocumentText]) -> Since:
    """Say what was edited or deleted since it was read."""
    if not written:
        return Since([], [])
    if documents.doc_ids is None and len(written) > MAX_NAMED_IDS:
        stamps = source.stamps_between(documents.after_id, documents.last_id)
    else:
        stamps = source.stamps_of(written)
    return Since(
        [
            doc_id
            for doc_id, text in written.items()
            if doc_id in stamps and stamps[doc_id] != text.modified_at
        ],
        sorted(written.keys() - stamps.keys()),
    )


def deleted(doc_ids: Iterable[str]) -> Outcome:
    """Make the outcome of documents that are gone."""
    gone = frozenset(doc_ids)
    return Outcome(documents=gone, deleted=gone)


def _fresh(stamps: Mapping[str, datetime | None], versions: Sequence[Version]) -> list[str]:
    """Find documents whose vectors, of every version, are newer than their last modification."""
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


def _modified(text: DocumentText) -> float:
    return text.modified_at.timestamp() if text.modified_at else 0.0
