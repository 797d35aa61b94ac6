"""What the feature store knows of documents: their vectors, and ranking by a query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from workers.core.errors import ProviderError, UnknownKeyError
from workers.documents import store
from workers.documents.codecs import Decoded, DocumentVectors, decode
from workers.documents.versions import Version, list_versions, publish_active
from workers.embedding.embedders import embedder
from workers.embedding.texts import embed_texts


@dataclass(frozen=True)
class StoredVectors:
    """Vectors of one version, shape (found, dimensions), in the order of `doc_ids`."""

    version: str
    doc_ids: list[str]
    missing: list[str]
    decoded: Decoded

    @property
    def vectors(self) -> DocumentVectors:
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


def read_vectors(doc_ids: Sequence[str]) -> StoredVectors:
    """Read the vectors of these documents in one round trip, all of the active version.

    Raises:
        UnknownKeyError: no version is active, because no run has begun yet.
    """
    found = store.read_values(doc_ids)
    if found is None:
        publish_active()
        found = store.read_values(doc_ids)
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
    """Read one document's vector, of the active version.

    Raises:
        UnknownKeyError: the store has none.
    """
    found = read_vectors([doc_id])
    if found.missing:
        raise UnknownKeyError("unknown_document", doc_id)
    return describe(found)[0]


def describe(found: StoredVectors) -> list[StoredVector]:
    """Describe vectors as the API shows them."""
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


def _version(name: str) -> Version:
    for version in list_versions():
        if version.version == name:
            return version
    raise UnknownKeyError("unknown_version", name)
