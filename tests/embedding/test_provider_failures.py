"""What a provider that fails does to the ledger: backoff, or dead with the reason."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from tests.embeddings_server import EmbeddingsServer, Fault, FaultKind
from tests.library import book, books, checkout, ledger, make_due, rows
from tests.work_off import work_off
from workers.core import metrics
from workers.core.counters import flush
from workers.core.stores import stores
from workers.core.vocabulary import Kind
from workers.embedding import limits
from workers.ingest.record import record_events
from workers.ledger import freshness
from workers.ledger.attempt import Outcome, attempt
from workers.ledger.contract import summarize
from workers.ledger.freshness import Notification
from workers.students.recompute import recompute_batch

EMBEDDING = Kind.student_embedding
ERROR, ATTEMPTS, DEAD_AT = "error", "attempts", "dead_at"
ANY = [Notification(EMBEDDING, "S1")]
Configure = Callable[..., None]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("stores")]


@pytest.fixture
def server(embeddings_server: EmbeddingsServer) -> EmbeddingsServer:
    """The provider, and one student to embed."""
    record_events([*books(60), checkout("S1", "B1")])
    return embeddings_server


def stored_vectors() -> set[str]:
    return {student_id for (student_id,) in rows("SELECT student_id FROM student_embeddings")}


def end_pauses() -> None:
    make_due()
    stores().redis.delete(limits.PAUSED)


def invalid_embeddings() -> float:
    flush()
    families = {family.name: family for family in metrics.collect()}
    return sum(sample.value for sample in families["invalid_embeddings"].samples)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("status", 429), "429"),
        (Fault("status", 502), "502"),
        (Fault("status", 503, retry_after="1"), "503"),
        (Fault("hang", seconds=5), "timeout"),
        (Fault("drop"), "connection"),
    ],
    ids=lambda value: f"{value.kind} {value.code}" if isinstance(value, Fault) else "",
)
def test_a_provider_that_is_down_puts_students_off_and_burns_no_attempt(
    configure: Configure, server: EmbeddingsServer, fault: Fault, reason: str
) -> None:
    configure(MAX_ATTEMPTS=2)
    server.fail_next(fault, times=3)
    for request in (1, 2, 3):
        work_off(ANY)
        assert len(server.requests) == request
        error, attempts, dead_at = ledger(EMBEDDING, ERROR, ATTEMPTS, DEAD_AT)["S1"]
        assert reason in error
        assert (attempts, dead_at) == (0, None)
        work_off(ANY)
        assert len(server.requests) == request  # it is not due yet
        end_pauses()
    work_off(ANY)
    assert ledger(EMBEDDING, "done", ERROR) == {"S1": (1, None)}
    assert stored_vectors() == {"S1"}


def test_a_provider_that_breaks_on_everything_is_down_and_burns_no_attempt(
    server: EmbeddingsServer,
) -> None:
    server.breaking.add("")
    work_off(ANY)
    error, attempts, dead_at = ledger(EMBEDDING, ERROR, ATTEMPTS, DEAD_AT)["S1"]
    assert "500" in error
    assert (attempts, dead_at) == (0, None)


def test_a_text_that_breaks_the_provider_dies_alone_after_its_last_attempt(
    configure: Configure, server: EmbeddingsServer
) -> None:
    configure(MAX_ATTEMPTS=2)
    server.breaking.add("Title 7")
    recorded = record_events([checkout(f"S{n}", f"B{n}") for n in range(20)])
    for _ in range(2):
        work_off(recorded.notifications)
        end_pauses()
    assert stored_vectors() == {f"S{n}" for n in range(20)} - {"S7"}
    dead = {key: row for key, row in ledger(EMBEDDING, ERROR, DEAD_AT).items() if row[1]}
    assert list(dead) == ["S7"]
    assert "500" in dead["S7"][0]


def test_a_retry_after_is_honoured_by_all_workers_and_burns_no_attempt(
    server: EmbeddingsServer,
) -> None:
    server.fail_next(Fault("status", 429, retry_after="30"))
    work_off(ANY)
    record_events([checkout("S2", "B2")])
    work_off([Notification(EMBEDDING, "S2")])
    assert len(server.requests) == 1
    waits = dict(
        rows(
            "SELECT key, extract(epoch FROM not_before - now()) BETWEEN 10 AND 30 FROM freshness"
            " WHERE kind = 'student_embedding'"
        )
    )
    assert waits == {"S1": True, "S2": True}
    found = ledger(EMBEDDING, ATTEMPTS, ERROR)
    assert found["S1"][0] == found["S2"][0] == 0
    assert "429" in found["S1"][1]
    assert "paused" in found["S2"][1]
    end_pauses()
    work_off(ANY)
    assert stored_vectors() == {"S1", "S2"}
    assert [len(texts) for texts in server.requests] == [1, 2]


def test_one_refused_text_of_fifty_is_dead_with_the_reason_and_the_others_are_stored(
    embeddings_server: EmbeddingsServer,
) -> None:
    record_events([*books(50), book("bad", "A FORBIDDEN book")])
    readers = [f"S{n}" for n in range(49)]
    recorded = record_events(
        [checkout("bad", "bad"), *(checkout(s, f"B{n}") for n, s in enumerate(readers))]
    )
    embeddings_server.refused.add("FORBIDDEN")
    work_off(recorded.notifications)
    assert stored_vectors() == set(readers)
    dead = {key: row for key, row in ledger(EMBEDDING, ERROR, DEAD_AT).items() if row[1]}
    assert list(dead) == ["bad"]
    assert "400" in dead["bad"][0]
    assert "refused by the content filter" in dead["bad"][0]
    # Halving finds it: one to see that other texts are accepted, and at most two requests on each
    # of the six levels after the first.
    assert len(embeddings_server.requests) <= 14
    ((trace,),) = rows("SELECT traceback FROM attempts WHERE error IS NOT NULL")
    assert "ProviderRefusedError" in trace
    record_events([book("bad", "A decent book")])
    work_off([Notification(EMBEDDING, "bad")])
    assert stored_vectors() == {*readers, "bad"}


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_key_or_model_that_the_provider_does_not_know_is_dead_at_once(
    server: EmbeddingsServer, code: int
) -> None:
    server.fail_next(Fault("status", code))
    work_off(ANY)
    error, dead_at = ledger(EMBEDDING, ERROR, DEAD_AT)["S1"]
    assert str(code) in error
    assert dead_at is not None
    assert freshness.claim(EMBEDDING, "S1") is None


def test_a_wrong_key_shows_at_freshness_with_the_reason_and_a_right_one_revives(
    client: TestClient, configure: Configure, server: EmbeddingsServer
) -> None:
    server.api_key = "sk-right"
    configure(OPENAI_API_KEY="sk-wrong")
    work_off(ANY)
    (kind, *_) = client.get("/freshness").json()["kinds"]
    assert (kind["total"], kind["fresh"], kind["dead"], kind["ok"]) == (1, 0, 1, False)
    shown = client.get("/students/S1").json()["freshness"]["embedding"]
    assert "Incorrect API key provided" in shown["error"]
    assert "sk-wrong" not in shown["error"]
    configure(OPENAI_API_KEY="sk-right")
    assert client.post("/students/S1/recompute").status_code == 202
    work_off(ANY)
    assert client.get("/freshness").json()["kinds"][0]["fresh"] == 1


@pytest.mark.parametrize("kind", ["wrong_dimension", "nan"])
def test_one_bad_vector_is_counted_and_not_stored_and_the_others_are(
    server: EmbeddingsServer, kind: FaultKind
) -> None:
    record_events([checkout("S2", "B2"), checkout("S3", "B3")])
    server.fail_next(Fault(kind))
    work_off(ANY)
    (bad,) = {"S1", "S2", "S3"} - stored_vectors()
    assert invalid_embeddings() == 1
    error, attempts, dead_at = ledger(EMBEDDING, ERROR, ATTEMPTS, DEAD_AT)[bad]
    assert "not 256 finite components" in error
    assert (attempts, dead_at) == (1, None)
    end_pauses()
    work_off(ANY)
    assert stored_vectors() == {"S1", "S2", "S3"}
    assert len(server.inputs) == 4


@pytest.mark.parametrize("kind", ["wrong_dimension", "nan"])
def test_bad_answers_are_retried_and_at_last_dead(
    configure: Configure, server: EmbeddingsServer, kind: FaultKind
) -> None:
    configure(MAX_ATTEMPTS=3)
    server.fail_next(Fault(kind), times=3)
    for attempts in (1, 2, 3):
        work_off(ANY)
        assert len(server.requests) == attempts
        assert invalid_embeddings() == attempts
        assert ledger(EMBEDDING, ATTEMPTS)["S1"] == (attempts,)
        end_pauses()
    work_off(ANY)
    assert len(server.requests) == 3
    assert summarize()[0].dead == 1
    assert stored_vectors() == set()


def test_a_bad_answer_leaves_the_vector_of_before(server: EmbeddingsServer) -> None:
    work_off(ANY)
    before = rows("SELECT content_hash, updated_at FROM student_embeddings")
    record_events([checkout("S1", "B9")])
    server.fail_next(Fault("nan"))
    work_off(ANY)
    assert rows("SELECT content_hash, updated_at FROM student_embeddings") == before


def test_a_batch_of_several_requests_keeps_what_the_good_ones_brought(
    configure: Configure, server: EmbeddingsServer
) -> None:
    record_events([checkout(f"S{n}", f"B{n}") for n in range(2, 5)])
    batch_of_4 = freshness.claim(EMBEDDING, "S1")
    assert batch_of_4 is not None
    configure(EMBEDDING_BATCH_SIZE=2)
    server.before_answer = lambda _: server.fail_next(Fault("status", 500))
    outcome = recompute_batch(batch_of_4)
    assert sorted(outcome.done) == sorted(stored_vectors())
    assert len(outcome.done) == len(outcome.failed) == 2


def test_redis_out_of_order_puts_students_off_and_burns_no_attempt(
    configure: Configure, server: EmbeddingsServer
) -> None:
    client = stores().redis
    client.config_set("maxmemory", 1)
    try:
        work_off(ANY)
    finally:
        client.config_set("maxmemory", 0)
    error, attempts, dead_at = ledger(EMBEDDING, ERROR, ATTEMPTS, DEAD_AT)["S1"]
    assert (attempts, dead_at) == (0, None)
    assert "maxmemory" in error
    assert server.requests == []


def test_whatever_a_worker_raises_is_kept_with_its_traceback_and_retried(
    configure: Configure, server: EmbeddingsServer
) -> None:
    def broken(batch: freshness.Batch) -> Outcome:
        raise ZeroDivisionError("on purpose")

    assert attempt(EMBEDDING, "S1", broken) == []
    assert ledger(EMBEDDING, ERROR, ATTEMPTS)["S1"] == ("ZeroDivisionError: on purpose", 1)
    ((trace,),) = rows("SELECT traceback FROM attempts")
    assert 'raise ZeroDivisionError("on purpose")' in trace
    make_due()
    work_off(ANY)
    assert stored_vectors() == {"S1"}
