"""The embedder behind an OpenAI-compatible endpoint."""

from http import HTTPStatus

import numpy as np
import openai
from opentelemetry.trace import SpanKind

from workers.core.errors import (
    ProviderDeniedError,
    ProviderFaultError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from workers.core.metrics import (
    OPENAI_API_ERRORS,
    PROVIDER_INPUTS,
    PROVIDER_REQUESTS,
    PROVIDER_TOKENS,
)
from workers.core.settings import Settings
from workers.core.tracing import span
from workers.core.vocabulary import EmbeddingSpec
from workers.embedding.embedder import Embeddings
from workers.embedding.limits import admit, pause, report_success


class OpenAIEmbedder:
    """Any endpoint that speaks OpenAI's embeddings API. No hidden retries: the ledger retries."""

    def __init__(self, config: Settings, spec: EmbeddingSpec) -> None:
        self.model = spec.model
        self.dimensions = spec.dimensions
        key = config.openai_api_key
        self._client = openai.OpenAI(
            # Local servers want no key, but the client insists on one.
            api_key=key.get_secret_value() if key else "none",
            base_url=config.openai_base_url,
            timeout=config.embedding_timeout_s,
            max_retries=0,
        )

    def embed_batch(self, texts: list[str]) -> Embeddings:
        """Embed texts in one request to the provider, within the cluster's limits."""
        admit(texts)
        PROVIDER_REQUESTS.add(1, model=self.model)
        PROVIDER_INPUTS.add(len(texts), model=self.model)
        try:
            with span(
                "provider",
                SpanKind.CLIENT,
                attributes={"model": self.model, "inputs": len(texts)},
            ):
                answer = self._client.embeddings.create(
                    model=self.model,
                    input=texts,
                    # Other models have one fixed dimension; their servers refuse the parameter.
                    dimensions=self.dimensions
                    if self.model.startswith("text-embedding-3")
                    else openai.omit,
                )
            vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        except openai.APIStatusError as error:
            OPENAI_API_ERRORS.add(1, kind=str(error.status_code))
            raise _translate(error) from error
        except openai.APIConnectionError as error:
            kind = "timeout" if isinstance(error, openai.APITimeoutError) else "connection"
            OPENAI_API_ERRORS.add(1, kind=kind)
            raise ProviderUnavailableError(f"provider {kind}: {error}", pause(None)) from error
        # The client does not check what it parses: a page of a proxy fails somewhere inside it.
        except (openai.APIError, ValueError, TypeError, AttributeError) as error:
            OPENAI_API_ERRORS.add(1, kind="answer")
            raise ProviderFaultError(f"provider's answer is unreadable: {error}") from error
        report_success()
        if answer.usage is not None:  # some servers do not count
            PROVIDER_TOKENS.add(answer.usage.total_tokens, model=self.model)
        if len(vectors) != len(texts):
            OPENAI_API_ERRORS.add(1, kind="count")
            raise ProviderFaultError(
                f"provider answered with {len(vectors)} vectors for {len(texts)} texts"
            )
        # A vector of another length becomes NaN, so that only its own text is rejected.
        blank = np.full(self.dimensions, np.nan, np.float32)
        return np.stack(
            [
                np.asarray(vector, np.float32) if len(vector) == self.dimensions else blank
                for vector in vectors
            ]
        )


def _translate(error: openai.APIStatusError) -> Exception:
    reason = f"provider answered {error.status_code}: {error.message}"
    if error.status_code in (401, 403, 404):
        return ProviderDeniedError(reason)
    if error.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderFaultError(reason)
    if error.status_code in (408, 409, 429) or error.status_code >= 500:
        return ProviderUnavailableError(reason, pause(error.response.headers.get("retry-after")))
    return ProviderRefusedError(reason)
