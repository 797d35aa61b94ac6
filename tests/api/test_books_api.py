"""Books over HTTP: search, one book with its freshness, similar ones."""

import pytest
from starlette.testclient import TestClient

from tests.library import book, borrowed, record
from tests.work_off import work_off


def given_books(**titles: str) -> None:
    recorded = record(*(book(book_id, title) for book_id, title in titles.items()))
    work_off(recorded.notifications)


def test_search_answers_with_books_scores_and_reasons(client: TestClient) -> None:
    recorded = record(
        book(
            "B1",
            "The Hobbit",
            author="J. R. R. Tolkien",
            genre=["fantasy"],
            reading_level=6.5,
            copies_total=2,
            copies_available=0,
            cover_url="https://covers.example/1.jpg",
        )
    )
    work_off(recorded.notifications)
    body = client.get("/books/search", params={"q": "the hobbit"}).json()
    assert (body["q"], body["degraded"], body["next_cursor"]) == ("the hobbit", [], None)
    (hit,) = body["hits"]
    assert hit["book"] == {
        "book_id": "B1",
        "title": "The Hobbit",
        "author": "J. R. R. Tolkien",
        "level": 6.5,
        "genres": ["fantasy"],
        "language": None,
        "series": None,
        "series_number": None,
        "available": False,
        "cover_url": "https://covers.example/1.jpg",
    }
    assert hit["why"]["by"] == ["meaning", "words"]
    assert hit["why"]["words"] == ["hobbit"]
    assert 0 < hit["why"]["similarity"] <= 1


def test_pages_of_a_search_follow_each_other(client: TestClient) -> None:
    given_books(**{f"B{n}": f"Volume {n}" for n in range(5)})
    first = client.get("/books/search", params={"q": "volume", "limit": 3}).json()
    rest = {"q": "volume", "limit": 3, "cursor": first["next_cursor"]}
    second = client.get("/books/search", params=rest).json()
    ids = [hit["book"]["book_id"] for hit in first["hits"] + second["hits"]]
    assert sorted(ids) == ["B0", "B1", "B2", "B3", "B4"]
    assert second["next_cursor"] is None


def test_filters_are_taken_from_the_query(client: TestClient) -> None:
    record(
        book("B1", "Dragons", reading_level=3, genre=["fantasy"], language="en"),
        book("B2", "Dragons", reading_level=6, genre=["Science Fiction"], copies_available=0),
    )

    def found(**params: object) -> set[str]:
        asked = {"q": "dragons", **{name: str(value) for name, value in params.items()}}
        body = client.get("/books/search", params=asked).json()
        return {hit["book"]["book_id"] for hit in body["hits"]}

    assert found() == {"B1", "B2"}
    assert found(level_min=4) == {"B2"}
    assert found(level_max=4) == {"B1"}
    assert found(genre="poetry, science fiction") == {"B2"}
    assert found(language="en") == {"B1"}
    assert found(available="true") == {"B1"}
    assert found(available="false") == {"B1", "B2"}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"q": ""},
        {"q": "x" * 201},
        {"q": "a\0b"},
        {"q": "a", "level_min": "high"},
        {"q": "a", "level_max": "nan"},
        {"q": "a", "available": "maybe"},
        {"q": "a", "limit": "0"},
        {"q": "a", "cursor": "nonsense"},
    ],
)
def test_a_search_that_does_not_fit_is_refused(client: TestClient, params: dict[str, str]) -> None:
    assert client.get("/books/search", params=params).status_code == 422


def test_a_book_is_shown_with_all_that_is_known_and_its_freshness(client: TestClient) -> None:
    recorded = record(book("B/1", "Emma", series="Highbury", series_number=1, copies_total=2))
    stale = client.get("/books/B%2F1").json()
    assert (stale["title"], stale["series"], stale["copies_total"]) == ("Emma", "Highbury", 2)
    assert stale["freshness"]["fresh"] is False
    work_off(recorded.notifications)
    fresh = client.get("/books/B%2F1").json()["freshness"]
    assert (fresh["fresh"], fresh["last_event"]) == (True, str(recorded.event_ids[0]))


def test_a_book_that_only_loans_have_named_is_shown_as_such(client: TestClient) -> None:
    record(borrowed("S1", "B1"))
    body = client.get("/books/B1").json()
    assert (body["title"], body["freshness"]["fresh"]) == (None, False)
    assert client.get("/books/B1/similar").json() == {
        "book_id": "B1",
        "similar": [],
        "degraded": ["no_vector_yet"],
    }


def test_the_books_most_like_one_leave_it_out(client: TestClient) -> None:
    given_books(B1="Dragons of the north", B2="Dragons of the south", B3="Tax law")
    similar = client.get("/books/B1/similar", params={"limit": 2}).json()["similar"]
    assert [each["book"]["book_id"] for each in similar] == ["B2", "B3"]
    assert 1 >= similar[0]["similarity"] > similar[1]["similarity"] >= 0


@pytest.mark.parametrize("path", ["/books/B9", "/books/B9/similar"])
def test_an_unknown_book_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_book")


def test_a_level_that_no_column_can_hold_is_a_level_all_the_same(
    stores: None, client: TestClient
) -> None:
    answer = client.get("/books/search?q=ghosts&level_max=3.3e-213")
    assert (answer.status_code, answer.json()["hits"]) == (200, [])
