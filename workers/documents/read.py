"""What the feature store knows of documents: their vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from workers.core.errors import UnknownKeyError
from workers.documents import store
from workers.documents.codecs import Decoded, DocumentVectors, decode
from workers.documents.versions import publish_active


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
