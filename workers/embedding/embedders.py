"""Where vectors come from: an OpenAI-compatible endpoint, or hashing on this machine."""

from functools import cache

import structlog

from workers.core.settings import settings
from workers.core.vocabulary import HASHING_MODEL, EmbeddingSpec
from workers.embedding.embedder import Embedder

log = structlog.get_logger()


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
        from workers.embedding.openai import OpenAIEmbedder  # noqa: PLC0415  # see above

        return OpenAIEmbedder(config, spec)
    from workers.embedding.hashing import HashingEmbedder  # noqa: PLC0415  # see above

    return HashingEmbedder(spec)
