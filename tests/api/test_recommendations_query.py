"""Recommendations for a query: the catalogue's search leads, taste decides among what it finds."""

import pytest
from starlette.testclient import TestClient

from tests.embeddings_server import EmbeddingsServer, Fault
from tests.library import rows
from tests.shelf import book, lend, record
from workers.books.vectors import recompute_book

QUERY = "a funny book about dogs"


@pytest.fixture
def library(stores: None) -> None:
    """Forty numbered books, twenty readers, a model, and five books that a query finds."""
    lend()
    record(
        book(70, title="The Funny Dogs", genre=["humor"]),
        book(71, title="Dogs at Sea", genre=["adventure"], reading_level=4.5),
        book(72, title="A Puppy's Jokes", genre=["humor"], keywords=["dogs", "funny"]),
        book(73, title="Dog Detectives", genre=["mystery"], reading_level=9.5),
        book(74, title="Funny Dogs Again", genre=["humor"], copies_total=1, copies_available=0),
    )


@pytest.fixture
def embedded_library(library: None) -> None:
    """The same, with vectors."""
    recompute_book("B70")


def ask(client: TestClient, **body: object) -> dict[str, object]:
    answer = client.post("/recommendations", json={"student_id": "S1", "query": QUERY, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(answer: dict[str, object]) -> list[str]:
    return [item["book_id"] for item in answer["items"]]  # type: ignore[attr-defined]


def test_what_a_query_finds_comes_first_with_a_part_and_a_reason(
    embedded_library: None, client: TestClient
) -> None:
    answer = ask(client, limit=3)
    assert {"B70", "B72"} <= set(ids(answer))
    first = answer["items"][0]  # type: ignore[index]
    assert first["source"] == "query"
    assert first["parts"]["query"] > 0.5
    assert first["score"] == pytest.approx(sum(first["parts"].values()), abs=1e-6)
    assert first["reasons"][0]["text"] == "Has words that you asked for."
    assert answer["degraded"] == ["no_neighbors"]


def test_taste_decides_among_what_a_query_finds_as_well(library: None, client: TestClient) -> None:
    dogs, space = ask(client, query="book 3", limit=20), ask(client, query="book 2", limit=20)
    assert ids(dogs) != ids(space)
    for answer in (dogs, space):
        tastes = {item["parts"]["readers"] for item in answer["items"]}  # type: ignore[attr-defined]
        assert len(tastes) > 1


def test_a_query_obeys_the_filter_and_what_is_lent_is_not_found(
    embedded_library: None, client: TestClient
) -> None:
    answer = ask(client, limit=2, filter={"level": [3, 5], "genres": ["humor"]})
    assert set(ids(answer)) == {"B70", "B72"}
    lent = ask(client, limit=3, filter={"genres": ["humor"], "available": False})
    assert set(ids(lent)) == {"B70", "B72", "B74"}


def test_a_class_and_readers_of_a_book_may_have_a_query_too(
    embedded_library: None, client: TestClient
) -> None:
    body = {"query": "funny dogs", "limit": 5}
    for asked in ({"student_ids": ["S1", "S2", "S3"]}, {"book_id": "B04"}):
        answer = client.post("/recommendations", json=body | asked).json()
        assert "B70" in ids(answer), asked
        assert all(item["parts"]["query"] > 0 for item in answer["items"])


def test_pages_of_a_query_repeat_nothing(embedded_library: None, client: TestClient) -> None:
    first = ask(client, limit=3)
    second = ask(client, limit=3, cursor=first["next_cursor"])
    assert len(set(ids(first)) | set(ids(second))) == 6


def test_while_no_query_is_embedded_words_are_searched_and_the_answer_says_so(
    library: None, client: TestClient, embeddings_server: EmbeddingsServer
) -> None:
    embeddings_server.fail_next(Fault("status", 503), times=50)
    answer = ask(client, limit=2)
    assert "words_only" in answer["degraded"]  # type: ignore[operator]
    assert "B70" in ids(answer)


def test_a_query_that_finds_too_little_is_filled_up_with_what_fits_and_says_so(
    library: None, client: TestClient, embeddings_server: EmbeddingsServer
) -> None:
    embeddings_server.fail_next(Fault("status", 503), times=50)
    answer = ask(client, query="xyzzy")
    assert len(ids(answer)) == 10
    assert {"words_only", "query_unmet"} <= set(answer["degraded"])  # type: ignore[call-overload]
    assert all(item["parts"]["query"] == 0 for item in answer["items"])  # type: ignore[attr-defined]


def test_what_somebody_asked_for_is_stored_nowhere(
    embedded_library: None, client: TestClient
) -> None:
    ask(client, query="my secret wish about dogs")
    assert rows("SELECT count(*) FROM recommendations") == [(1,)]
    assert rows("SELECT FROM recommendations r WHERE to_jsonb(r)::text LIKE %s", "%secret%") == []


@pytest.mark.parametrize("query", ["", "x" * 201, "a\0b", 7])
def test_a_query_that_is_none_is_422(stores: None, client: TestClient, query: object) -> None:
    body = {"student_id": "S1", "query": query}
    assert client.post("/recommendations", json=body).status_code == 422
