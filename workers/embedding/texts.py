"""Texts to valid vectors: provider-sized requests, one bad text never fails the others."""

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from workers.core.errors import (
    InvalidEmbeddingError,
    ProviderDeniedError,
    ProviderError,
    ProviderFaultError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from workers.core.metrics import EMBEDDING_DURATION, EMBEDDINGS_GENERATED, INVALID_EMBEDDINGS
from workers.core.settings import settings
from workers.core.vocabulary import MAX_COMPONENT, MIN_MAGNITUDE
from workers.embedding.embedder import Embedder, Embeddings
from workers.embedding.limits import estimate_tokens, pause

Vector = NDArray[np.float32]

REQUEST_MAX_INPUTS = 2048
REQUEST_MAX_TOKENS = 300_000
HARMLESS_TEXT = "A short text."


def embed_texts(embedder: Embedder, texts: list[str]) -> list[Vector | ProviderError]:
    """Embed each text as `embedder.dimensions` float32, or say which error kept it from that."""
    results: list[Vector | ProviderError] = []
    for request in _requests(texts):
        results += _embed_request(embedder, request)
    return results


def validate(vector: Vector, dimensions: int) -> None:
    """Refuse what cannot be compared by cosine.

    Raises:
        InvalidEmbeddingError: the length is not `dimensions`, a component is not finite or
            outside [-2, 2], or the magnitude is below 0.1.
    """
    if vector.shape != (dimensions,):
        raise InvalidEmbeddingError(f"embedding has shape {vector.shape}, not ({dimensions},)")
    if not np.isfinite(vector).all():
        raise InvalidEmbeddingError(f"embedding has not {dimensions} finite components")
    if np.abs(vector).max() > MAX_COMPONENT:
        raise InvalidEmbeddingError("embedding has a component outside [-2, 2]")
    if np.linalg.norm(vector) < MIN_MAGNITUDE:
        raise InvalidEmbeddingError("embedding's magnitude is below 0.1")


def _requests(texts: list[str]) -> Iterator[list[str]]:
    most = min(settings().embedding_batch_size, REQUEST_MAX_INPUTS)
    request: list[str] = []
    tokens = 0
    for text in texts:
        cost = estimate_tokens(text)
        if request and (len(request) == most or tokens + cost > REQUEST_MAX_TOKENS):
            yield request
            request, tokens = [], 0
        request.append(text)
        tokens += cost
    if request:
        yield request


def _embed_halves(embedder: Embedder, texts: list[str]) -> list[Vector | ProviderError]:
    half = len(texts) // 2
    return _embed_request(embedder, texts[:half], halved=True) + _embed_request(
        embedder, texts[half:], halved=True
    )


def _general_fault(embedder: Embedder, error: ProviderError) -> ProviderError | None:
    """Say whether a text that is surely harmless fares no better: then texts are not at fault."""
    try:
        embedder.embed_batch([HARMLESS_TEXT])
    except ProviderFaultError:
        return ProviderUnavailableError(str(error), pause(None))
    except ProviderRefusedError:
        return ProviderDeniedError(f"{error} (whatever the text)")
    except ProviderError as other:
        return other
    return None


def _embed_request(
    embedder: Embedder, texts: list[str], *, halved: bool = False
) -> list[Vector | ProviderError]:
    started = time.perf_counter()
    try:
        vectors = embedder.embed_batch(texts)
    except ProviderRefusedError as error:
        if len(texts) == 1:
            return [error]
        general = None if halved else _general_fault(embedder, error)
        return [general] * len(texts) if general else _embed_halves(embedder, texts)
    except ProviderFaultError as error:
        # Asked for each half anew: the provider may go down at any time.
        general = _general_fault(embedder, error)
        if len(texts) == 1 or general:
            return [general or error] * len(texts)
        return _embed_halves(embedder, texts)
    except ProviderError as error:
        return [error] * len(texts)
    EMBEDDING_DURATION.observe((time.perf_counter() - started) * 1000, model=embedder.model)
    results: list[Vector | ProviderError] = [*vectors]
    doubtful = np.flatnonzero(~_valid_rows(vectors, embedder.dimensions))
    for row in doubtful:
        try:
            validate(vectors[row], embedder.dimensions)
        except InvalidEmbeddingError as error:
            results[row] = error
    invalid = sum(isinstance(results[row], ProviderError) for row in doubtful)
    INVALID_EMBEDDINGS.add(invalid, model=embedder.model)
    EMBEDDINGS_GENERATED.add(len(results) - invalid, model=embedder.model)
    return results


def _valid_rows(vectors: Embeddings, dimensions: int) -> NDArray[np.bool_]:
    """Validate a whole request, as `validate` does; a row that is not finite compares as false."""
    if vectors.shape[1:] != (dimensions,):
        return np.zeros(len(vectors), bool)
    largest = np.abs(vectors).max(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        magnitudes = np.linalg.norm(vectors, axis=1)
    valid: NDArray[np.bool_] = (largest <= MAX_COMPONENT) & (magnitudes >= MIN_MAGNITUDE)
    return valid
