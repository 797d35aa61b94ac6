"""Case 16: whatever the provider does, keys back off, or die with the reason; others are stored."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.embeddings_server import EmbeddingsServer, Fault
from tests.failures.cluster import Cluster
from tests.failures.truth import assert_derived_is_right, stored_vectors
from tests.library import book, books, checkout, ledger, rows, shelve
from tests.processes import eventually
from workers.core.vocabulary import Kind

EMBEDDING = Kind.student_embedding
STUDENTS = [f"S{n}" for n in range(5)]
Configure = Callable[..., None]


@pytest.fixture
def running(cluster: Cluster, provider: EmbeddingsServer, configure: Configure) -> Cluster:
    """All lines, with two attempts for a key, and books to borrow."""
    configure(MAX_ATTEMPTS=2)
    cluster.start_all()
    shelve(*books(50))
    return cluster


def borrow(cluster: Cluster, students: list[str] = STUDENTS) -> None:
    """One event each in one request, so that they are one batch."""
    cluster.tell([checkout(s, f"B{n}") for n, s in enumerate(students)])


def errors() -> list[str]:
    """Of all attempts."""
    found = rows("SELECT DISTINCT error FROM attempts WHERE error IS NOT NULL ORDER BY error")
    return [error for (error,) in found]


def dead() -> dict[str, Any]:
    """Keys that were given up, with the reason."""
    return dict(rows("SELECT key, error FROM freshness WHERE dead_at IS NOT NULL"))


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("status", 429), "429"),
        (Fault("status", 503), "503"),
        (Fault("hang", seconds=60), "timeout"),
        (Fault("drop"), "connection"),
    ],
    ids=["429", "503", "timeout", "dropped connection"],
)
def test_a_provider_that_is_down_for_longer_than_there_are_attempts_costs_none(
    running: Cluster, provider: EmbeddingsServer, fault: Fault, reason: str
) -> None:
    provider.fail_next(fault, times=3)
    borrow(running)
    running.all_fresh(keys=10)
    assert [sorted(texts) for texts in provider.requests] == [sorted(provider.requests[0])] * 4
    assert len(provider.requests[0]) == len(STUDENTS)
    found = [error for error in errors() if "paused" not in error]
    assert len(found) == 1
    assert reason in found[0]
    assert_derived_is_right()


def test_a_provider_that_answers_everything_with_500_costs_no_attempt(
    running: Cluster, provider: EmbeddingsServer
) -> None:
    provider.breaking.add("")
    borrow(running)
    # The batch, and one harmless text that tells whether a text is at fault.
    eventually(lambda: len(provider.requests) >= 6, running.output)
    assert dead() == {}
    provider.breaking.clear()
    running.all_fresh(keys=10)
    assert any("500" in error for error in errors())
    assert_derived_is_right()


def test_nobody_asks_before_the_time_in_retry_after(
    running: Cluster, provider: EmbeddingsServer
) -> None:
    asked_at: list[float] = []
    provider.before_answer = lambda _: asked_at.append(time.monotonic())
    provider.fail_next(Fault("status", 429, retry_after="4"))
    borrow(running)
    eventually(lambda: asked_at, running.output)
    borrow(running, ["another"])
    running.all_fresh(keys=12)
    assert asked_at[1] - asked_at[0] >= 4
    assert {len(texts) for texts in provider.requests} <= {1, 5, 6}
    assert ledger(EMBEDDING, "attempts") == dict.fromkeys([*STUDENTS, "another"], (0,))
    assert_derived_is_right()


@pytest.mark.parametrize("fault", ["wrong_dimension", "nan"])
def test_a_text_whose_vector_is_none_is_asked_for_again(
    running: Cluster, provider: EmbeddingsServer, fault: Any
) -> None:
    provider.fail_next(Fault(fault))
    borrow(running)
    running.all_fresh(keys=10)
    assert [len(texts) for texts in provider.requests] == [len(STUDENTS), 1]
    assert len(errors()) == 1
    assert_derived_is_right()


@pytest.mark.parametrize("fault", ["wrong_count", "html"])
def test_an_answer_that_cannot_be_read_is_asked_for_in_halves_and_costs_no_attempt(
    running: Cluster, provider: EmbeddingsServer, fault: Any
) -> None:
    provider.fail_next(Fault(fault))
    borrow(running)
    running.all_fresh(keys=10)
    halves = [len(STUDENTS) // 2, len(STUDENTS) - len(STUDENTS) // 2]
    assert [len(texts) for texts in provider.requests] == [len(STUDENTS), 1, *halves]
    assert errors() == []
    assert_derived_is_right()


@pytest.mark.parametrize("fault", ["wrong_dimension", "nan"])
def test_a_text_without_an_embedding_dies_after_its_last_attempt_with_the_reason(
    running: Cluster, provider: EmbeddingsServer, fault: Any
) -> None:
    borrow(running)
    running.all_fresh(keys=10)
    before = stored_vectors()
    provider.fail_next(Fault(fault), times=2)
    running.tell([checkout("S0", "B9")])
    running.settled()
    assert list(dead()) == ["S0"]
    assert "provider" in dead()["S0"] or "embedding" in dead()["S0"]
    assert ledger(EMBEDDING, "attempts")["S0"] == (2,)
    assert (stored_vectors()["S0"] == before["S0"]).all()
    # The next event gives it another chance.
    running.tell([checkout("S0", "B10")])
    running.all_fresh(keys=10)
    assert_derived_is_right()


def test_a_wrong_key_is_dead_at_once_with_the_reason_and_a_right_one_revives(
    running: Cluster, provider: EmbeddingsServer
) -> None:
    provider.api_key = "sk-right"
    borrow(running)
    running.settled()
    assert dead().keys() == set(STUDENTS)
    assert all("401" in error and "Incorrect API key" in error for error in dead().values())
    assert len(provider.requests) == 1
    assert not running.get("/freshness")["ok"]
    (worker,) = (line for line in running.lines if line.name == "worker")
    worker.end()
    running.start_worker(OPENAI_API_KEY="sk-right")
    for key in STUDENTS:
        assert running.post(f"/students/{key}/recompute").status_code == 202
    running.all_fresh(keys=10)
    assert_derived_is_right()


@pytest.mark.parametrize("code", [400, 500])
def test_one_text_of_fifty_that_the_provider_cannot_bear_is_dead_and_the_others_are_stored(
    running: Cluster, provider: EmbeddingsServer, code: int
) -> None:
    bears_not = provider.refused if code == 400 else provider.breaking
    bears_not.add("FORBIDDEN")
    readers = [f"S{n:02}" for n in range(49)]
    shelve(book("bad", "A FORBIDDEN book"))
    running.tell([checkout("bad", "bad"), *(checkout(s, f"B{n}") for n, s in enumerate(readers))])
    running.settled()
    assert len(provider.requests[0]) == 50
    assert list(dead()) == ["bad"]
    assert str(code) in dead()["bad"]
    assert stored_vectors().keys() == set(readers)
    ((trace,),) = rows("SELECT DISTINCT traceback FROM attempts WHERE error IS NOT NULL")
    assert "Provider" in trace
    assert_derived_is_right()
    # What it died of is mended, and nobody else is asked for again.
    asked = len(provider.inputs)
    shelve(book("bad", "A decent book"))
    running.all_fresh(keys=100)
    assert len(provider.inputs) == asked + 1
    assert_derived_is_right()
