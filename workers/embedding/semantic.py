"""The default embedder where there is no provider: what words mean, and which words there are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workers.core.vocabulary import EmbeddingSpec
from workers.embedding.embedder import Embeddings
from workers.embedding.hashing import HashingEmbedder
from workers.embedding.word_sums import COMPONENTS, SPACE, word_sums

# The share of a similarity that comes from the meaning. With 0 titles and names that the table
# never saw count fully, with 1 they count only by their syllables.
MEANING_WEIGHT = 0.8
# From here on all 256 components of the table: fewer leave too little room to hashed words.
ROOM_FOR_ALL = 384


class SemanticEmbedder:
    """Mean of the words' token vectors beside hashed words, each scaled to its share of length 1.

    A vector is [√0.8 · meaning | √0.2 · hashed words]. The dot product of two is then 0.8 times
    the likeness of their meanings plus 0.2 times that of their words.
    """

    def __init__(self, spec: EmbeddingSpec) -> None:
        self.model = spec.model
        self.dimensions = spec.dimensions
        self._meaning = meaning_components(spec.dimensions)
        self._sums = word_sums()
        self._hashing = HashingEmbedder(EmbeddingSpec(spec.model, spec.dimensions - self._meaning))

    def embed_batch(self, texts: list[str]) -> Embeddings:
        """Embed texts as unit vectors; all zeros for a blank one, which validation rejects.

        Each text is worked on alone and added up in the order of its words, so the bytes of its
        vector depend neither on the batch nor on the process.
        """
        vectors = np.empty((len(texts), self.dimensions), np.float32)
        split = [text.lower().replace(SPACE, " ").split() for text in texts]
        self._sums.learn(split)
        hashed = self._hashing.embed_batch(texts)
        for vector, words, hashes in zip(vectors, split, hashed, strict=True):
            vector[: self._meaning] = MEANING_WEIGHT**0.5 * self._meaning_of(words)
            vector[self._meaning :] = (1 - MEANING_WEIGHT) ** 0.5 * hashes
        return vectors

    def _meaning_of(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Scale the sum over all words to a unit vector; zeros if there is none."""
        if not words:
            return np.zeros(self._meaning, np.float32)
        meaning = self._sums.of(words).sum(axis=0)[: self._meaning]
        # Not by BLAS, whose sums may depend on where in memory the components stand.
        length = np.sqrt(np.square(meaning, dtype=np.float64).sum())
        unit: NDArray[np.float32] = (meaning / length).astype(np.float32)
        return unit


def meaning_components(dimensions: int) -> int:
    """Count the components of a vector that say what words mean; the others hold hashed words.

    The table was trained so that its first 64 or 128 components are a table themselves, and of 300
    components 128 and 172 find more than 256 and 44.

    >>> [meaning_components(dimensions) for dimensions in (8, 64, 256, 300, 384, 1536)]
    [4, 32, 128, 128, 256, 256]
    """
    return COMPONENTS if dimensions >= ROOM_FOR_ALL else min(COMPONENTS // 2, dimensions // 2)
