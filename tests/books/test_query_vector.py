"""What somebody searches for as a vector: a local model is there before anybody asks."""

from collections.abc import Callable

from workers.books.query_vector import embed_query, warmed
from workers.core.vocabulary import SEMANTIC_MODEL
from workers.embedding.word_sums import word_sums


def test_a_local_model_is_loaded_before_anybody_searches(
    stores: None, configure: Callable[..., None]
) -> None:
    configure(EMBEDDING_MODEL=SEMANTIC_MODEL)
    word_sums.cache_clear()
    with warmed():
        pass
    assert word_sums.cache_info().currsize == 1
    assert embed_query("ghosts").vector is not None


def test_with_a_provider_nothing_is_loaded(stores: None, configure: Callable[..., None]) -> None:
    configure(OPENAI_API_KEY="sk-test", EMBEDDING_MODEL="text-embedding-3-small")
    word_sums.cache_clear()
    with warmed():
        pass
    assert word_sums.cache_info().currsize == 0
