"""The embedder that knows which words two texts share: hashed on this machine."""

from itertools import pairwise

import mmh3
import numpy as np
import regex

from workers.core.vocabulary import EmbeddingSpec
from workers.embedding.embedder import Embeddings

# Marks belong to their letters: without them a word in Devanagari or Thai falls to pieces.
WORD = regex.compile(r"[\w\p{M}]{2,}")


class HashingEmbedder:
    """Words and pairs of words hashed into signed buckets; deterministic, needs no network.

    As scikit-learn's HashingVectorizer does it, which takes 64 MB of every worker. Knows
    shared words, not meaning. Its speed: `bench/embedder.py`.
    """

    def __init__(self, spec: EmbeddingSpec) -> None:
        self.model = spec.model
        self.dimensions = spec.dimensions

    def embed_batch(self, texts: list[str]) -> Embeddings:
        """Embed texts as unit vectors; all zeros for a blank one, which validation rejects."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            words = _words(text.lower())
            terms = [*words, *(f"{first} {second}" for first, second in pairwise(words))]
            hashes = np.array([mmh3.hash(term) for term in terms], np.int64)
            counts = np.bincount(
                np.abs(hashes) % self.dimensions, np.where(hashes >= 0, 1, -1), self.dimensions
            )
            vector[:] = counts / (np.linalg.norm(counts) or 1)
        return vectors


def _words(text: str) -> list[str]:
    """Split a text into words, or into characters if it has none: one may be all that is said.

    >>> _words("tea, a cup"), _words("好"), _words("!?")
    (['tea', 'cup'], ['好'], ['!', '?'])
    """
    return WORD.findall(text) or [character for character in text if not character.isspace()]
