"""Where vectors come from: an OpenAI-compatible endpoint, or a model on this machine."""

import structlog

from workers.core.errors import ProviderDeniedError
from workers.core.process import per_process
from workers.core.settings import settings
from workers.core.vocabulary import HASHING_MODEL, SEMANTIC_MODEL, EmbeddingSpec
from workers.embedding.embedder import Embedder, Embeddings

log = structlog.get_logger()


class AbsentProvider:
    """Stands for a model of a provider that vectors were made with and that was taken away."""

    def __init__(self, spec: EmbeddingSpec) -> None:
        self.model = spec.model
        self.dimensions = spec.dimensions

    def embed_batch(self, texts: list[str]) -> Embeddings:
        """Deny every text: another model's vectors could not be compared with those there are."""
        raise ProviderDeniedError(
            f"{self.model} needs OPENAI_API_KEY or OPENAI_BASE_URL, for {len(texts)} texts"
        )


@per_process
def embedder(spec: EmbeddingSpec) -> Embedder:
    """Return the process's embedder of these vectors.

    A local model stays local also after a provider was chosen: its vectors stay comparable with
    texts of today.
    """
    found = _choose(spec)
    log.info(
        "embedder_chosen",
        embedder=type(found).__name__,
        model=spec.model,
        dimensions=spec.dimensions,
    )
    return found


def _choose(spec: EmbeddingSpec) -> Embedder:
    # Imported when chosen: the provider's client takes 30 MB and a third of a second in each of the
    # processes, the tokenizer nearly as much, and most of them embed nothing.
    if spec.model == HASHING_MODEL:
        from workers.embedding.hashing import HashingEmbedder  # noqa: PLC0415  # see above

        return HashingEmbedder(spec)
    if spec.model == SEMANTIC_MODEL:
        from workers.embedding.semantic import SemanticEmbedder  # noqa: PLC0415  # see above

        return SemanticEmbedder(spec)
    if settings().embedder == "openai":
        from workers.embedding.openai import OpenAIEmbedder  # noqa: PLC0415  # see above

        return OpenAIEmbedder(settings(), spec)
    return AbsentProvider(spec)
