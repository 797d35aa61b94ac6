"""Candidates of somebody's own search, ordered by likeness to the query, or by that and signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workers.core.errors import InvalidEmbeddingError, ProviderError, UnknownKeyError
from workers.documents.read import StoredVectors, read_vectors
from workers.documents.signals import SEMANTIC, Part, fuse, share_weights
from workers.documents.versions import Version, list_versions
from workers.embedding.embedders import embedder
from workers.embedding.texts import embed_texts


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
class FusedDocument:
    """A document, its score in [0, 1], and the parts that add up to it.

    `missing` are the signals that it lacks, `semantic` among them if it has no vector.
    """

    doc_id: str
    score: float
    parts: dict[str, Part]
    missing: list[str]


@dataclass(frozen=True)
class FusedRanking:
    """Documents by all signals, best first.

    `weights` are the shares that the signals had, `missing` the documents without a vector;
    `degraded` says why the query has none: `provider_unavailable` or `query_without_meaning`.
    """

    version: str
    weights: dict[str, float]
    results: list[FusedDocument]
    missing: list[str]
    degraded: list[str]


def rerank(text: str, doc_ids: Sequence[str], limit: int) -> Ranking:
    """Order candidates by cosine similarity with a query; the query's model is the vectors'.

    Raises:
        UnknownKeyError: no version is active.
        ProviderError: the query cannot be embedded.
    """
    found = read_vectors([*dict.fromkeys(doc_ids)])
    likeness = _likeness(text, found)
    best = sorted(likeness, key=lambda doc_id: -likeness[doc_id])[:limit]
    results = [Ranked(doc_id, round(likeness[doc_id], 6)) for doc_id in best]
    return Ranking(found.version, results, found.missing)


def rerank_by_signals(
    text: str,
    candidates: Mapping[str, Mapping[str, float]],
    weights: Mapping[str, float],
    limit: int,
) -> FusedRanking:
    """Order candidates by the caller's own signals and, as `semantic`, likeness to the query.

    A document without a vector is ranked by its signals; so are all if the query has none.

    Args:
        candidates: each document's signals by id.
        weights: of signals by name; 1 for what is not named.

    Raises:
        UnknownKeyError: no version is active.
    """
    found = read_vectors([*candidates])
    degraded: list[str] = []
    likeness: Mapping[str, float] = {}
    try:
        likeness = _likeness(text, found)
    except InvalidEmbeddingError:
        degraded = ["query_without_meaning"]
    except ProviderError:
        degraded = ["provider_unavailable"]
    signals = [
        {SEMANTIC: likeness[doc_id], **own} if doc_id in likeness else own
        for doc_id, own in candidates.items()
    ]
    own_names = dict.fromkeys(name for own in candidates.values() for name in own)
    shares = share_weights([SEMANTIC, *own_names], weights)
    results = [
        FusedDocument(doc_id, fused.score, fused.parts, fused.missing)
        for doc_id, fused in zip(candidates, fuse(signals, shares), strict=True)
    ]
    results.sort(key=lambda each: -each.score)
    return FusedRanking(found.version, shares, results[:limit], found.missing, degraded)


def _likeness(text: str, found: StoredVectors) -> dict[str, float]:
    """Compare the query with each vector that was found; without one nothing is embedded."""
    if not found.doc_ids:
        return {}
    (vector,) = embed_texts(embedder(_version(found.version).spec), [text])
    if isinstance(vector, ProviderError):
        raise vector
    lengths = np.linalg.norm(found.vectors, axis=1) * np.linalg.norm(vector)
    cosines = np.clip(found.vectors @ vector / lengths, -1, 1)
    return dict(zip(found.doc_ids, cosines.tolist(), strict=True))


def _version(name: str) -> Version:
    for version in list_versions():
        if version.version == name:
            return version
    raise UnknownKeyError("unknown_version", name)
