"""Where vectors come from: an OpenAI-compatible endpoint, or hashing on this machine."""

from functools import cache
from typing import Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from workers.settings import HASHING_MODEL, EmbeddingSpec, settings

log = structlog.get_logger()

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Turns texts into vectors of one model."""

    model: str
    dimensions: int

    def embed_batch(self, texts: list[str]) -> Vectors:
        """One request: shape (len(texts), dimensions).

        Raises:
            ProviderError: no vectors; which kind says what may help.
        """


@cache
def embedder(spec: EmbeddingSpec) -> Embedder:
    """The process's embedder of these vectors; the settings choose the provider."""
    config = settings()
    # Vectors that were hashed stay comparable with texts of today after a provider was chosen.
    chosen = "hashing" if spec.model == HASHING_MODEL else config.embedder
    log.info(
        "embedder_chosen",
        embedder=chosen,
        model=spec.model,
        dimensions=spec.dimensions,
        reason="OPENAI_API_KEY or OPENAI_BASE_URL is set"
        if config.embedder == "openai"
        else "no OPENAI_API_KEY and no OPENAI_BASE_URL",
    )
    # Imported when chosen: the client takes 30 MB and a third of a second in each of the processes,
    # and most of them embed nothing.
    if chosen == "openai":
        from workers.openai_embedder import OpenAIEmbedder  # noqa: PLC0415  # see above

        return OpenAIEmbedder(config, spec)
    from workers.hashing_embedder import HashingEmbedder  # noqa: PLC0415  # see above

    return HashingEmbedder(spec)
