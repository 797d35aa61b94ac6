"""What an embedder is: one method, from texts to vectors of one model."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Embeddings = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors of one model."""

    model: str
    dimensions: int

    def embed_batch(self, texts: list[str]) -> Embeddings:
        """Embed texts in one request: shape (len(texts), dimensions).

        Raises:
            ProviderError: no vectors; which kind says what may help.
        """
