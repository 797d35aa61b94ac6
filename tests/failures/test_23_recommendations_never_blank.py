"""Case 23: recommendations go on while a store is down or the model is missing, and say so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests.failures.cluster import Cluster
from tests.failures.servers import Server
from tests.library import change
from tests.processes import eventually
from tests.shelf import book, lend, record, student

LIST = "/students/S1/recommendations"
QUERY = {"student_id": "S1", "query": "book about dogs", "limit": 5}

Break = Callable[[Server], None]


def stopped(server: Server) -> None:
    server.stop()


def frozen(server: Server) -> None:
    server.freeze()


@contextmanager
def broken(cluster: Cluster, server: Server, breaks: Break) -> Iterator[None]:
    breaks(server)
    try:
        yield
    finally:
        cluster.servers.mend()


@pytest.fixture
def library(cluster: Cluster) -> Cluster:
    """Forty books, twenty readers and a model, served by a web process that has answered once."""
    lend()
    cluster.start_web()
    assert cluster.get(LIST)["degraded"] == ["no_vectors", "no_neighbors"]
    return cluster


def titles(answer: dict[str, object]) -> list[str]:
    return [item["title"] for item in answer["items"]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("breaks", [stopped, frozen])
def test_while_postgres_is_down_what_many_borrow_is_recommended(
    library: Cluster, breaks: Break
) -> None:
    with broken(library, library.servers.postgres, breaks):
        answer = library.get(LIST)
        assert len(set(titles(answer))) == 10
        assert "no_database" in answer["degraded"]
        assert answer["recommendation_id"] is None
        assert {reason["type"] for item in answer["items"] for reason in item["reasons"]} <= {
            *("trending", "popular", "unborrowed", "new_arrival")
        }
    eventually(lambda: "no_database" not in library.get(LIST)["degraded"])


def test_while_postgres_is_down_readers_of_a_book_are_known_and_what_is_asked_in_words_is_not(
    library: Cluster,
) -> None:
    with broken(library, library.servers.postgres, stopped):
        alike = library.post("/recommendations", {"book_id": "B04", "limit": 3}).json()
        assert {reason["type"] for item in alike["items"] for reason in item["reasons"]} == {
            "readers_of"
        }
        queried = library.post("/recommendations", QUERY).json()
        assert len(queried["items"]) == 5
        assert "query_unmet" in queried["degraded"]
        # What only Postgres knows is not guessed.
        next_page = library.post("/recommendations", {**QUERY, "cursor": str(uuid4())})
        assert next_page.status_code == 503


def test_without_redis_nothing_of_an_answer_is_missing(library: Cluster) -> None:
    before = library.get(LIST)
    with broken(library, library.servers.redis, stopped):
        answer = library.get(LIST)
        assert titles(answer) == titles(before)
        assert answer["degraded"] == before["degraded"]
        queried = library.post("/recommendations", QUERY).json()
        assert len(queried["items"]) == 5


def test_a_process_that_holds_nothing_yet_says_so_while_postgres_is_down(cluster: Cluster) -> None:
    lend()
    cluster.start_web()
    with broken(cluster, cluster.servers.postgres, stopped):
        answer = cluster.post("/recommendations", {"student_id": "S1"})
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
    eventually(lambda: len(cluster.get(LIST)["items"]) == 10)


def test_a_model_that_is_gone_leaves_the_other_terms(library: Cluster) -> None:
    change("DELETE FROM recommendation_pointer")
    answer = library.get(LIST)
    assert len(titles(answer)) == 10
    assert "no_model" in answer["degraded"]
    assert answer["model_version"] is None


def test_students_without_loans_and_unknown_ones_are_told_apart(library: Cluster) -> None:
    record(student("NEW"))
    answer = library.get("/students/NEW/recommendations")
    assert len(titles(answer)) == 10
    assert "no_loans" in answer["degraded"]
    unknown = library.post("/recommendations", {"student_id": "nobody"})
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "unknown_student")


def test_too_few_books_that_fit_widen_what_the_house_chose_and_say_so(cluster: Cluster) -> None:
    record(*(book(number, reading_level=11.0, author="One") for number in range(12)))
    record(student("S1", prior_year_reading_score=3.0))
    cluster.start_web()
    answer = cluster.get(LIST)
    assert len(set(titles(answer))) == 10
    assert {"caps_lifted"} <= set(answer["degraded"])
