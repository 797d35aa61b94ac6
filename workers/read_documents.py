"""What the feature store knows of documents: vectors, ranking by a query, coverage."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from psycopg.rows import class_row

from workers import document_source, document_store
from workers.document_codecs import Decoded, Vectors, decode
from workers.document_failures import count_failures
from workers.document_versions import Version, active_version, list_versions, publish_active
from workers.embed_texts import embed_texts
from workers.embedders import embedder
from workers.errors import ProviderError, UnknownKeyError
from workers.queries import query
from workers.settings import settings
from workers.stores import connection

LAST_FULL_RUN = query("read_documents.last_full_run")

# Up to so many documents coverage is measured at every request, beyond by the last full run.
MEASURED_AT_ONCE = 20_000


@dataclass(frozen=True)
class StoredVectors:
    """Vectors of one version, shape (found, dimensions), in the order of `doc_ids`."""

    version: str
    doc_ids: list[str]
    missing: list[str]
    decoded: Decoded

    @property
    def vectors(self) -> Vectors:
        """float32, as far as the codec kept them."""
        return self.decoded.vectors


@dataclass(frozen=True)
class StoredVector:
    """One stored vector; `ts` is as of when it reflects the document."""

    doc_id: str
    emb: list[float]
    dim: int
    ver: str
    ts: datetime
    content_hash: str


@dataclass(frozen=True)
class Ranked:
    """A document and its cosine similarity with the query, in [-1, 1]."""

    doc_id: str
    score: float


@dataclass(frozen=True)
class Ranking:
    """Documents, best first, and those that have no vector."""

    version: str
    results: list[Ranked]
    missing: list[str]


@dataclass(frozen=True)
class Coverage:
    """How much of the collection the store reflects; `coverage` is fresh / documents.

    `oldest_stale_s` is how long ago the oldest change was made that a stored vector does not
    reflect; a run that measured has left none, so that its own age is what counts. `ok` says
    whether that is within `limit_s`. `basis` says whether this was measured now or by the last
    run over all documents.
    """

    version: str
    documents: int
    fresh: int
    stale: int
    missing: int
    failed: int
    coverage: float
    oldest_ts: datetime | None
    oldest_stale_s: float | None
    limit_s: float
    ok: bool
    measured_at: datetime
    basis: str


@dataclass(frozen=True)
class FullRun:
    """The last run over all documents that ended well, and what it counted."""

    began_at: datetime
    documents: int
    failed: int
    deleted: int


def read_vectors(doc_ids: Sequence[str]) -> StoredVectors:
    """The vectors of these documents in one round trip, all of the version that is active.

    Raises:
        UnknownKeyError: no version is active, because no run has begun yet.
    """
    found = document_store.read_values(doc_ids)
    if found is None:
        publish_active()
        found = document_store.read_values(doc_ids)
    if found is None:
        raise UnknownKeyError("no_active_version", "documents have not been computed yet")
    version, values = found
    present = [
        (doc_id, value) for doc_id, value in zip(doc_ids, values, strict=True) if value is not None
    ]
    missing = [doc_id for doc_id, value in zip(doc_ids, values, strict=True) if value is None]
    decoded = decode([value for _, value in present])
    return StoredVectors(version, [doc_id for doc_id, _ in present], missing, decoded)


def read_vector(doc_id: str) -> StoredVector:
    """One document's vector.

    Raises:
        UnknownKeyError: the store has none.
    """
    found = read_vectors([doc_id])
    if found.missing:
        raise UnknownKeyError("unknown_document", doc_id)
    return describe(found)[0]


def describe(found: StoredVectors) -> list[StoredVector]:
    """Vectors as the API shows them."""
    heads = found.decoded.heads
    return [
        StoredVector(
            doc_id,
            emb,
            len(emb),
            found.version,
            datetime.fromtimestamp(ts / 1000, UTC),
            f"{of:08x}",
        )
        for doc_id, emb, ts, of in zip(
            found.doc_ids,
            found.vectors.tolist(),
            heads.ts_ms.tolist(),
            heads.hashes.tolist(),
            strict=True,
        )
    ]


def rerank(text: str, doc_ids: Sequence[str], limit: int) -> Ranking:
    """Order candidates by cosine similarity with a query; the query's model is the vectors'.

    Raises:
        UnknownKeyError: no version is active.
        ProviderError: the query cannot be embedded.
    """
    found = read_vectors([*dict.fromkeys(doc_ids)])
    if not found.doc_ids:
        return Ranking(found.version, [], found.missing)
    (vector,) = embed_texts(embedder(_version(found.version).spec), [text])
    if isinstance(vector, ProviderError):
        raise vector
    lengths = np.linalg.norm(found.vectors, axis=1) * np.linalg.norm(vector)
    scores = np.clip(found.vectors @ vector / lengths, -1, 1)
    best = np.argsort(-scores, kind="stable")[:limit]
    results = [Ranked(found.doc_ids[row], round(float(scores[row]), 6)) for row in best]
    return Ranking(found.version, results, found.missing)


def measure_coverage() -> Coverage:
    """How much of the collection the active version reflects.

    Raises:
        SourceError: MongoDB cannot be read.
        UnknownKeyError: no version is active.
    """
    version = active_version()
    documents = document_source.count_documents()
    if documents > MEASURED_AT_ONCE:
        return _by_last_run(version, documents)
    now = datetime.now(UTC)
    fresh = stale = 0
    oldest_ms: list[int] = []
    oldest_change: list[datetime] = []
    after = ""
    while ids := document_source.ids_after(after, settings().document_batch_size):
        stamps = document_source.stamps_between(after, ids[-1])
        after = ids[-1]
        heads = document_store.stored_heads(version.version, version.codec, list(stamps))
        good = heads.found & (heads.dimensions == version.dimensions)
        for modified_at, is_good, ts_ms in zip(
            stamps.values(), good.tolist(), heads.ts_ms.tolist(), strict=True
        ):
            if not is_good:
                continue
            oldest_ms.append(ts_ms)
            if modified_at is not None and modified_at.timestamp() * 1000 > ts_ms:
                stale += 1
                oldest_change.append(modified_at)
            else:
                fresh += 1
    oldest_stale_s = (now - min(oldest_change)).total_seconds() if oldest_change else None
    limit_s = settings().document_staleness_limit_seconds
    return Coverage(
        version=version.version,
        documents=documents,
        fresh=fresh,
        stale=stale,
        missing=max(documents - fresh - stale, 0),
        failed=count_failures(version.version),
        coverage=fresh / documents if documents else 1.0,
        oldest_ts=datetime.fromtimestamp(min(oldest_ms) / 1000, UTC) if oldest_ms else None,
        oldest_stale_s=oldest_stale_s,
        limit_s=limit_s,
        ok=oldest_stale_s is None or oldest_stale_s <= limit_s,
        measured_at=now,
        basis="now",
    )


def _by_last_run(version: Version, documents: int) -> Coverage:
    with connection() as conn:
        run = (
            conn.cursor(row_factory=class_row(FullRun))
            .execute(LAST_FULL_RUN, {"version": version.version})
            .fetchone()
        )
    failed = count_failures(version.version)
    fresh = max(run.documents - run.deleted - run.failed, 0) if run else 0
    now = datetime.now(UTC)
    limit_s = settings().document_staleness_limit_seconds
    return Coverage(
        version=version.version,
        documents=documents,
        fresh=min(fresh, documents),
        stale=0,
        missing=max(documents - fresh, 0),
        failed=failed,
        coverage=min(fresh / documents, 1.0),
        oldest_ts=run.began_at if run else None,
        oldest_stale_s=None,
        limit_s=limit_s,
        ok=run is not None and (now - run.began_at).total_seconds() <= limit_s,
        measured_at=run.began_at if run else now,
        basis="last full run",
    )


def _version(name: str) -> Version:
    for version in list_versions():
        if version.version == name:
            return version
    raise UnknownKeyError("unknown_version", name)
