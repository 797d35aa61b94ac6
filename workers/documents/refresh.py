"""Texts of documents to stored vectors of one version: what is unchanged only lives on."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workers.core.errors import (
    InvalidEmbeddingError,
    ProviderDeniedError,
    ProviderError,
    ProviderFaultError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from workers.core.metrics import DOCUMENTS_EMBEDDED, DOCUMENTS_UNCHANGED
from workers.core.reasons import reason_of
from workers.documents import store
from workers.documents.codecs import Times, encode
from workers.documents.failures import DocumentFailure, find_hopeless
from workers.documents.text import DocumentText
from workers.documents.versions import Version
from workers.embedding.embedder import Embedder
from workers.embedding.embedders import embedder
from workers.embedding.texts import Vector, embed_texts

# So many texts are embedded between two looks at the lease.
CHUNK = 250
# A short pause of the provider is waited for here; for a longer one the batch is put back.
PATIENCE_S = 10.0
PATIENT_TRIES = 3
REASONS = {
    ProviderRefusedError: "refused",
    InvalidEmbeddingError: "invalid_embedding",
    ProviderFaultError: "provider_fault",
}
# A modified_at further ahead than this is somebody's mistake, and says nothing.
MAX_CLOCK_SKEW_MS = 86_400_000


@dataclass(frozen=True)
class Refreshed:
    """What became of the texts: ids, reasons, and why some have to be tried again later."""

    embedded: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    failed: dict[str, DocumentFailure] = field(default_factory=dict)
    postponed: dict[str, ProviderUnavailableError] = field(default_factory=dict)


def refresh_vectors(
    version: Version,
    texts: Mapping[str, DocumentText],
    read_at_ms: int,
    keep_lease: Callable[[], None] = lambda: None,
) -> Refreshed:
    """Embed and store the texts whose stored hash differs; let the others live on.

    Args:
        read_at_ms: when the texts were read, in milliseconds since 1970.
        keep_lease: called now and then, and once right before anything is stored.

    Raises:
        ProviderDeniedError: no text would be accepted.
        redis.RedisError: the store does not answer, or is full.
    """
    if not texts:
        return Refreshed()
    doc_ids = list(texts)
    hashes = np.array([texts[doc_id].content_hash for doc_id in doc_ids], np.uint32)
    ts_ms = reflected_times([texts[doc_id] for doc_id in doc_ids], read_at_ms)
    heads = store.stored_heads(version.version, version.codec, doc_ids)
    same = heads.found & (heads.dimensions == version.dimensions) & (heads.hashes == hashes)
    unchanged = [doc_ids[row] for row in np.flatnonzero(same)]
    store.extend(version.version, version.codec, unchanged, ts_ms[same])
    changed = [doc_ids[row] for row in np.flatnonzero(~same)]
    hopeless = find_hopeless(version.version, changed)
    tried = [doc_id for doc_id in changed if hopeless.get(doc_id) != texts[doc_id].content_hash]
    results = _embed_patiently(
        embedder(version.spec), [texts[doc_id].text for doc_id in tried], keep_lease
    )
    vectors = {
        doc_id: result
        for doc_id, result in zip(tried, results, strict=True)
        if not isinstance(result, ProviderError)
    }
    errors = {
        doc_id: result
        for doc_id, result in zip(tried, results, strict=True)
        if isinstance(result, ProviderError)
    }
    keep_lease()
    places = {doc_id: row for row, doc_id in enumerate(doc_ids)}
    rows = [places[doc_id] for doc_id in vectors]
    if vectors:
        values = encode(
            version.codec, version.version, np.stack([*vectors.values()]), ts_ms[rows], hashes[rows]
        )
        store.write_values(version.version, list(vectors), values)
    for language in {texts[doc_id].language for doc_id in vectors}:
        count = sum(texts[doc_id].language == language for doc_id in vectors)
        DOCUMENTS_EMBEDDED.add(count, language=language)
    DOCUMENTS_UNCHANGED.add(len(unchanged))
    given_up = DocumentFailure("given_up", "its text failed before and has not changed")
    return Refreshed(
        list(vectors),
        unchanged,
        {doc_id: given_up for doc_id in changed if doc_id not in vectors and doc_id not in errors}
        | {
            doc_id: _failure(error, texts[doc_id].content_hash)
            for doc_id, error in errors.items()
            if not isinstance(error, ProviderUnavailableError)
        },
        {
            doc_id: error
            for doc_id, error in errors.items()
            if isinstance(error, ProviderUnavailableError)
        },
    )


def reflected_times(texts: Sequence[DocumentText], read_at_ms: int) -> Times:
    """Compute as of when each vector reflects its document.

    That is the time of reading; or `modified_at`, if the clock of who wrote it is ahead of ours,
    because otherwise the document would look stale for ever.
    """
    modified = [
        int(text.modified_at.timestamp() * 1000) if text.modified_at else 0 for text in texts
    ]
    times = np.array(modified, np.int64)
    times[times > read_at_ms + MAX_CLOCK_SKEW_MS] = 0
    return np.maximum(times, read_at_ms)


def _embed_patiently(
    chosen: Embedder, texts: list[str], keep_lease: Callable[[], None]
) -> list[Vector | ProviderError]:
    results: list[Vector | ProviderError] = []
    for start in range(0, len(texts), CHUNK):
        keep_lease()
        results += embed_texts(chosen, texts[start : start + CHUNK])
        _raise_denied(results)
    for _ in range(PATIENT_TRIES):
        waits = {
            row: result.retry_after_s
            for row, result in enumerate(results)
            if isinstance(result, ProviderUnavailableError)
        }
        if not waits or max(waits.values()) > PATIENCE_S:
            break
        time.sleep(max(waits.values()))
        keep_lease()
        again = embed_texts(chosen, [texts[row] for row in waits])
        for row, result in zip(waits, again, strict=True):
            results[row] = result
        _raise_denied(results)
    return results


def _raise_denied(results: list[Vector | ProviderError]) -> None:
    for result in results:
        if isinstance(result, ProviderDeniedError):
            raise result


def _failure(error: ProviderError, content_hash: int) -> DocumentFailure:
    reason = next((code for kind, code in REASONS.items() if isinstance(error, kind)), "provider")
    return DocumentFailure(
        reason, reason_of(error), content_hash, final=isinstance(error, ProviderRefusedError)
    )
