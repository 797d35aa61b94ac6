"""Where vectors come from: hashing, a provider over real HTTP, and what keeps both in bounds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest

from tests.embeddings_server import EmbeddingsServer, Fault, vector_of
from workers.core.errors import (
    InvalidEmbeddingError,
    ProviderDeniedError,
    ProviderError,
    ProviderFaultError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from workers.core.settings import settings
from workers.core.stores import stores as open_clients
from workers.core.vocabulary import HASHING_MODEL, SEMANTIC_MODEL, EmbeddingSpec
from workers.embedding import limits
from workers.embedding import texts as embed_texts_module
from workers.embedding.embedders import embedder
from workers.embedding.hashing import HashingEmbedder
from workers.embedding.limits import estimate_tokens
from workers.embedding.openai import OpenAIEmbedder
from workers.embedding.semantic import SemanticEmbedder
from workers.embedding.texts import HARMLESS_TEXT, embed_texts, validate

ROOT = Path(__file__).parents[2]
TEXT = "Reading level 4.2, late elementary.\nGenres: fantasy 67%, mystery 33%."
Configure = Callable[..., None]

usable = pytest.mark.usefixtures("stores")


def embed(*texts: str) -> list[object]:
    return list(embed_texts(embedder(settings().student_embedding), list(texts)))


def error_of(*texts: str) -> ProviderError:
    (error,) = set(embed(*texts))
    assert isinstance(error, ProviderError)
    return error


@usable
def test_a_blank_text_is_invalid_and_fails_no_other() -> None:
    blank, good = embed(" ", TEXT)
    assert isinstance(blank, InvalidEmbeddingError)
    assert isinstance(good, np.ndarray)


@pytest.mark.parametrize("text", ["好", "\N{PARTY POPPER}", "!!!", "a"])
def test_a_text_without_words_is_embedded_by_its_characters(text: str) -> None:
    found, again = HashingEmbedder(EmbeddingSpec("hashing", 300)).embed_batch([text, f"  {text} "])
    validate(found, 300)
    assert (found == again).all()


def vector(*components: float) -> np.ndarray:
    return np.array(components, np.float32)


@pytest.mark.parametrize("good", [vector(2, -2), vector(0.1, 0), vector(0.6, 0.8)])
def test_vectors_within_the_bounds_are_valid(good: np.ndarray) -> None:
    validate(good, 2)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (vector(0.6), r"shape \(1,\), not \(2,\)"),
        (vector(0.6, 0.8, 0), r"shape \(3,\)"),
        (vector(0.6, np.nan), "not 2 finite"),
        (vector(0.6, np.inf), "not 2 finite"),
        (vector(0.6, 2.001), "outside"),
        (vector(-2.001, 0), "outside"),
        (vector(0.09, 0), "magnitude"),
        (vector(0, 0), "magnitude"),
    ],
)
def test_vectors_outside_the_bounds_are_refused(bad: np.ndarray, reason: str) -> None:
    with pytest.raises(InvalidEmbeddingError, match=reason):
        validate(bad, 2)


@usable
def test_texts_get_their_own_vectors_whatever_the_order_of_the_answer(
    embeddings_server: EmbeddingsServer,
) -> None:
    texts = [f"text {n}" for n in range(5)]
    for text, got in zip(texts, embed(*texts), strict=True):
        assert isinstance(got, np.ndarray)
        np.testing.assert_allclose(got, vector_of(text, 256), atol=1e-7)
    assert embeddings_server.requests == [texts]
    assert embeddings_server.bodies[0]["dimensions"] == 256
    assert embeddings_server.bodies[0]["model"] == "text-embedding-3-small"


@usable
def test_other_models_are_not_asked_for_a_dimension(
    configure: Configure, embeddings_server: EmbeddingsServer
) -> None:
    configure(EMBEDDING_MODEL="nomic-embed-text", EMBEDDING_DIMENSIONS=1536)
    assert isinstance(embed("text")[0], np.ndarray)
    assert "dimensions" not in embeddings_server.bodies[0]


@usable
def test_requests_hold_no_more_texts_than_the_batch_size(
    configure: Configure, embeddings_server: EmbeddingsServer
) -> None:
    configure(EMBEDDING_BATCH_SIZE=4)
    texts = [f"text {n}" for n in range(10)]
    assert len(embed(*texts)) == 10
    assert [len(request) for request in embeddings_server.requests] == [4, 4, 2]
    assert embeddings_server.inputs == texts


@usable
def test_requests_hold_no_more_inputs_or_tokens_than_the_provider_takes(
    configure: Configure, embeddings_server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(EMBEDDING_BATCH_SIZE=2048, EMBEDDING_DIMENSIONS=8, EMBEDDING_TIMEOUT_S=30)
    monkeypatch.setattr(embed_texts_module, "REQUEST_MAX_INPUTS", 3)
    embed(*"abcd")
    assert embeddings_server.requests == [["a", "b", "c"], ["d"]]
    embeddings_server.requests.clear()
    monkeypatch.undo()
    configure(OPENAI_BASE_URL=embeddings_server.url, EMBEDDING_TOKENS_PER_MINUTE=10_000_000)
    long = "words " * 50_000  # 100,001 estimated tokens
    embed(long, long, long, "short")
    assert [len(request) for request in embeddings_server.requests] == [2, 2]


@usable
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("status", 503), ProviderUnavailableError),
        (Fault("status", 408), ProviderUnavailableError),
        (Fault("status", 429, retry_after="7"), ProviderUnavailableError),
        (Fault("status", 401), ProviderDeniedError),
        (Fault("status", 403), ProviderDeniedError),
        (Fault("status", 404), ProviderDeniedError),
        (Fault("status", 400), ProviderRefusedError),
        (Fault("status", 422), ProviderRefusedError),
        (Fault("drop"), ProviderUnavailableError),
        (Fault("hang", seconds=5), ProviderUnavailableError),
        (Fault("wrong_dimension"), InvalidEmbeddingError),
        (Fault("nan"), InvalidEmbeddingError),
    ],
    ids=lambda value: f"{value.kind} {value.code}" if isinstance(value, Fault) else "",
)
def test_each_fault_is_one_error_after_one_request(
    embeddings_server: EmbeddingsServer, fault: Fault, kind: type[ProviderError]
) -> None:
    embeddings_server.fail_next(fault)
    assert type(error_of("text")) is kind
    assert len(embeddings_server.requests) == 1


@usable
@pytest.mark.parametrize(
    "fault", [Fault("status", 500), Fault("html"), Fault("wrong_count")], ids=lambda each: each.kind
)
def test_a_500_or_no_answer_is_the_texts_fault_when_another_is_embedded_and_else_an_outage(
    embeddings_server: EmbeddingsServer, fault: Fault
) -> None:
    embeddings_server.fail_next(fault)
    assert type(error_of("text")) is ProviderFaultError
    assert embeddings_server.requests == [["text"], [HARMLESS_TEXT]]
    embeddings_server.fail_next(fault, times=2)
    assert type(error_of("text")) is ProviderUnavailableError
    with pytest.raises(ProviderUnavailableError, match="paused"):
        embedder(settings().student_embedding).embed_batch(["text"])


@usable
def test_what_refuses_any_text_is_not_searched_for_the_bad_one(
    embeddings_server: EmbeddingsServer,
) -> None:
    embeddings_server.fail_next(Fault("status", 400), times=2)
    assert type(error_of("one", "two", "three")) is ProviderDeniedError
    assert len(embeddings_server.requests) == 2


@usable
def test_the_reason_names_the_status_and_the_providers_words(
    embeddings_server: EmbeddingsServer,
) -> None:
    embeddings_server.api_key = "another"
    assert "401" in str(error_of("text"))
    assert "Incorrect API key provided" in str(error_of("text"))


@usable
def test_a_retry_after_keeps_every_client_away_and_a_shorter_pause_does_not_end_it(
    embeddings_server: EmbeddingsServer,
) -> None:
    embeddings_server.fail_next(Fault("status", 429, retry_after="40"))
    first = error_of("text")
    assert isinstance(first, ProviderUnavailableError)
    assert first.retry_after_s == 40
    limits.pause("3")  # of a request that was under way at the same time
    limits.pause(None)
    other_process = OpenAIEmbedder(settings(), settings().student_embedding)
    with pytest.raises(ProviderUnavailableError, match="paused") as caught:
        other_process.embed_batch(["text"])
    assert 20 < caught.value.retry_after_s <= 40
    assert len(embeddings_server.requests) == 1


@usable
@pytest.mark.parametrize("header", ["soon", "-5", "", "Wed, 42 Oct 2026 07:28:00 GMT", "²"])
def test_an_unreadable_retry_after_is_a_pause_of_our_own(header: str) -> None:
    assert 1 <= limits.pause(header) <= 2


@usable
def test_a_retry_after_may_be_a_date() -> None:
    in_a_minute = datetime.now(UTC) + timedelta(minutes=1)
    assert 30 < limits.pause(format_datetime(in_a_minute)) <= 60
    assert limits.pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@usable
def test_a_huge_retry_after_is_cut_to_an_hour() -> None:
    assert limits.pause("999999") == 3600


@usable
def test_requests_that_fail_together_count_as_one_failure() -> None:
    for _ in range(8):
        assert 1 <= limits.pause(None) <= 2


@usable
def test_pauses_double_with_each_failure_and_start_over_after_a_success(
    embeddings_server: EmbeddingsServer,
) -> None:
    for ceiling in (2, 4, 8, 16, 32, 60, 60):
        assert ceiling / 2 <= limits.pause(None) <= ceiling
        open_clients().redis.delete(limits.PAUSED)
    embed("text")
    assert limits.pause(None) <= 2


@usable
def test_all_workers_share_the_requests_of_a_minute(
    configure: Configure, embeddings_server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PATIENCE_S", 0.2)
    configure(EMBEDDING_REQUESTS_PER_MINUTE=3)
    workers = [OpenAIEmbedder(settings(), settings().student_embedding) for _ in range(2)]
    for n in range(3):
        workers[n % 2].embed_batch(["text"])
    for worker in workers:
        with pytest.raises(ProviderUnavailableError, match="rate limit is used up"):
            worker.embed_batch(["text"])
    assert len(embeddings_server.requests) == 3


@usable
def test_all_workers_share_the_tokens_of_a_minute_and_a_refusal_takes_no_request(
    configure: Configure, embeddings_server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PATIENCE_S", 0.2)
    configure(EMBEDDING_TOKENS_PER_MINUTE=10_000, EMBEDDING_REQUESTS_PER_MINUTE=2)
    large, small = "x" * 3 * 9_000, "x" * 3 * 900
    assert estimate_tokens(large) + estimate_tokens(small) < 10_000
    OpenAIEmbedder(settings(), settings().student_embedding).embed_batch([large])
    with pytest.raises(ProviderUnavailableError, match="rate limit is used up"):
        OpenAIEmbedder(settings(), settings().student_embedding).embed_batch([large])
    OpenAIEmbedder(settings(), settings().student_embedding).embed_batch([small])
    assert [len(texts[0]) for texts in embeddings_server.requests] == [27_000, 2_700]


def test_the_embedder_follows_from_the_settings(configure: Configure) -> None:
    def chosen() -> tuple[type, str, int]:
        found = embedder(settings().student_embedding)
        return type(found), found.model, found.dimensions

    assert chosen() == (SemanticEmbedder, "wordllama-256+hashing-words-v1", 256)
    configure(EMBEDDING_MODEL="hashing-words-v1")
    assert chosen() == (HashingEmbedder, "hashing-words-v1", 256)
    configure(OPENAI_API_KEY="sk-test", EMBEDDING_MODEL="")
    assert chosen() == (OpenAIEmbedder, "text-embedding-3-small", 256)
    configure(EMBEDDING_MODEL="text-embedding-3-large", EMBEDDING_DIMENSIONS=1024)
    assert chosen() == (OpenAIEmbedder, "text-embedding-3-large", 1024)


def test_documents_have_a_model_and_a_dimension_of_their_own(configure: Configure) -> None:
    assert settings().document_embedding == EmbeddingSpec(SEMANTIC_MODEL, 300)
    configure(DOCUMENT_EMBEDDING_MODEL=HASHING_MODEL, DOCUMENT_EMBEDDING_DIMENSIONS=64)
    assert settings().document_embedding == EmbeddingSpec(HASHING_MODEL, 64)
    assert settings().student_embedding == EmbeddingSpec(SEMANTIC_MODEL, 256)
    documents = embedder(settings().document_embedding)
    assert documents.embed_batch([TEXT]).shape == (1, 64)
