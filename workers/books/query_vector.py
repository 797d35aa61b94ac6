"""The vector of what somebody searches for, kept for whoever searches for the same."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import redis
import structlog

from workers.core.errors import InvalidEmbeddingError, ProviderError
from workers.core.process import per_process, until_exit
from workers.core.settings import settings
from workers.core.vocabulary import EmbeddingSpec
from workers.embedding.embedders import embedder
from workers.embedding.texts import Vector, embed_texts

# Six megabytes of 1,536 components; what a school searches for repeats itself.
MAX_KEPT = 1000
# Whoever types does not wait longer for a provider; the answer is kept for the next one to ask.
ANSWER_S = 2.0
# Asked at once of a provider by one process; more wait their two seconds in the queue.
MAX_ASKED = 4

log = structlog.get_logger()


@dataclass(frozen=True)
class QueryVector:
    """The vector, or the code of the reason why there is none."""

    vector: Vector | None
    missing: str | None = None


def embed_query(text: str) -> QueryVector:
    """Embed a query as books are embedded; a provider that does not answer costs two seconds."""
    spec = settings().student_embedding
    try:
        if settings().embedder != "openai":
            return QueryVector(_kept()(spec, text))
        return QueryVector(_asking().submit(_kept(), spec, text).result(ANSWER_S))
    except InvalidEmbeddingError:
        return QueryVector(None, "query_without_meaning")
    except (ProviderError, redis.RedisError, TimeoutError) as error:
        log.warning("query_not_embedded", error=type(error).__name__)
        return QueryVector(None, "provider_unavailable")


@contextmanager
def warmed() -> Iterator[None]:
    """Load a local model in the background, so that who searches first does not wait for it.

    It takes half a second of CPU; what it takes of memory is in docs/performance.md.
    """
    if settings().embedder != "local":
        yield
        return
    loading = threading.Thread(
        target=embedder, args=(settings().student_embedding,), name="warm-embedder"
    )
    loading.start()
    try:
        yield
    finally:
        loading.join()


def _embed(spec: EmbeddingSpec, text: str) -> Vector:
    (result,) = embed_texts(embedder(spec), [text])
    if isinstance(result, ProviderError):
        raise result
    return result


@per_process
def _kept() -> Callable[[EmbeddingSpec, str], Vector]:
    return lru_cache(maxsize=MAX_KEPT)(_embed)


@per_process
def _asking() -> ThreadPoolExecutor:
    return until_exit(ThreadPoolExecutor(MAX_ASKED, thread_name_prefix="query-vector"))
