"""Vectors of keyed texts: what every pipeline does between reading its facts and writing."""

from collections.abc import Mapping
from dataclasses import dataclass

from workers.core.errors import ProviderError
from workers.core.vocabulary import EmbeddingSpec
from workers.embedding.embedders import embedder
from workers.embedding.texts import Vector, embed_texts


@dataclass(frozen=True)
class Embedded:
    """What became of each key's text: a vector, or the error that kept it from one."""

    vectors: dict[str, Vector]
    failed: dict[str, Exception]


def embed_keys(spec: EmbeddingSpec, texts: Mapping[str, str]) -> Embedded:
    """Embed the text of each key in as few provider requests as their sizes allow."""
    embedded = Embedded({}, {})
    results: list[Vector | ProviderError] = embed_texts(embedder(spec), list(texts.values()))
    for key, result in zip(texts, results, strict=True):
        if isinstance(result, ProviderError):
            embedded.failed[key] = result
        else:
            embedded.vectors[key] = result
    return embedded
