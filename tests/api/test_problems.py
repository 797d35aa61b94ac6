"""What every request gets: an id, a clear problem, and 503 instead of a stack trace."""

from collections.abc import Iterator
from uuid import UUID

import pytest
import redis
from starlette.testclient import TestClient

from actors.broker import broker
from api import OPERATIONS, app
from embedded.ports import free_port
from tests.library import change, rows, stale
from workers.core.stores import stores
from workers.core.stores import stores as open_clients

EVENT = {"event_type": "student_added", "student_id": "S1"}


def test_a_request_without_an_id_gets_one(client: TestClient) -> None:
    first, second = (client.get("/health/live").headers["x-request-id"] for _ in range(2))
    assert UUID(first) != UUID(second)


def test_a_given_request_id_is_returned_in_header_and_problem(client: TestClient) -> None:
    given = "Trace-1/2:3"
    answer = client.get("/students/S9", headers={"x-request-id": given})
    assert answer.headers.get_list("x-request-id") == [given]
    assert answer.json()["request_id"] == given


def test_a_request_id_that_could_spoil_a_log_is_replaced(client: TestClient) -> None:
    for given in (b"a b", b"x" * 129, b"caf\xe9", b"", b"a\tb"):
        answer = client.get("/health/live", headers={b"x-request-id": given})
        assert UUID(answer.headers["x-request-id"])


def test_unknown_paths_and_methods_are_problems(client: TestClient) -> None:
    for path in ("/student/S1", "/students", "/students//neighbors", "/events/", "/%00"):
        answer = client.get(path, follow_redirects=False)
        if answer.status_code != 307:
            assert answer.status_code in (404, 405), path
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert client.get("/nowhere").json()["reason"] == "unknown_path"
    for method, path, allowed in (
        ("GET", "/events", "POST"),
        ("DELETE", "/freshness", "GET, HEAD"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["status"]) == (405, 405)
        assert sorted(answer.headers["allow"].split(", ")) == allowed.split(", ")


def test_a_defect_is_a_500_without_a_stack_trace(stores: None) -> None:
    change("ALTER TABLE students RENAME TO pupils")
    with TestClient(
        app, "http://127.0.0.1", client=("127.0.0.1", 1), raise_server_exceptions=False
    ) as client:
        answer = client.get("/students/S1", headers={"x-request-id": "mine"})
        change("ALTER TABLE paused_queues RENAME TO halted_queues")
        act = client.post("/queues/live/pause", headers={"x-request-id": "mine"})
        assert rows("SELECT status FROM audit") == [(500,)]
    assert act.headers.get_list("x-request-id") == ["mine"]
    assert answer.status_code == act.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "internal error",
        "request_id": "mine",
    }
    assert answer.headers.get_list("x-request-id") == ["mine"]


@pytest.fixture
def without_redis(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """All Redis clients of the app point at a port where nobody listens."""
    clients = broker.client, stores().redis, stores().probe
    port = free_port()
    for each in clients:
        each.connection_pool.reset()
        monkeypatch.setitem(each.connection_pool.connection_kwargs, "port", port)
        with pytest.raises(redis.ConnectionError):
            each.ping()
    yield client
    monkeypatch.undo()
    for each in clients:
        each.connection_pool.reset()


def test_without_redis_events_are_accepted_and_wait_in_the_ledger(
    without_redis: TestClient,
) -> None:
    for n in range(3):
        answer = without_redis.post("/events", json=EVENT | {"student_id": f"S{n}"})
        assert answer.status_code == 202
    assert without_redis.post("/students/S1/recompute").status_code == 202
    header = "student_id,grade_level,age,homeroom_teacher,prior_year_reading_score,lunch_period"
    body = f"{header}\nS3,4,,,,\n".encode()
    assert without_redis.post("/import/students", content=body).status_code == 200
    assert stale() == {"S0", "S1", "S2", "S3"}
    assert rows("SELECT count(*) FROM events") == [(5,)]


def test_without_redis_the_process_is_ready_and_says_what_is_missing(
    without_redis: TestClient,
) -> None:
    answer = without_redis.get("/health/ready")
    assert answer.status_code == 200
    store = answer.json()["stores"]["redis"]
    assert (store["ok"], store["needed"], store["latency_ms"]) == (False, False, None)
    assert "127.0.0.1" not in answer.text
    assert without_redis.get("/freshness").status_code == 200
    answer = without_redis.get("/metrics")
    assert (answer.status_code, answer.json()["detail"][:5]) == (503, "Redis")


@pytest.fixture
def without_postgres(
    stores: None, configure: object, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """The app was started while nobody listened at DATABASE_URL."""
    assert callable(configure)
    configure(DATABASE_URL=f"postgresql://somebody:secret@127.0.0.1:{free_port()}/none")
    with TestClient(app, "http://127.0.0.1", client=("127.0.0.1", 1)) as client:
        monkeypatch.setattr(open_clients().pool, "timeout", 0.2)
        yield client


# What some operations cannot do without, by the end of their path.
NEEDED = {
    "attempts": "?kind=student_embedding&key=S1",
    "search": "?q=ghosts",
    "explain": "?book_id=B1",
}


def test_without_postgres_everything_that_needs_it_is_503(
    without_postgres: TestClient, subtests: pytest.Subtests
) -> None:
    answer = without_postgres.post("/events", json=EVENT)
    assert answer.status_code == 503
    for operation in OPERATIONS:
        if operation.method != "GET" or 503 not in operation.problems:
            continue
        if operation.path == "/queues/{queue}/messages":
            continue  # it lies in Redis
        path = operation.path.replace("{event_id}", str(UUID(int=1))).replace("{queue}", "live")
        for name in ("{run_id}", "{recommendation_id}"):
            path = path.replace(name, str(UUID(int=1)))
        path = path.replace("{", "").replace("}", "")
        path += NEEDED.get(path.rpartition("/")[2], "")
        with subtests.test(path=path):
            answer = without_postgres.get(path)
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"] == "Postgres is down; try again later"
            assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_without_postgres_the_process_lives_and_is_not_ready(without_postgres: TestClient) -> None:
    assert without_postgres.get("/health/live").status_code == 200
    assert without_postgres.get("/openapi.json").status_code == 200
    answer = without_postgres.get("/health/ready")
    assert (answer.status_code, answer.json()["ok"]) == (503, False)
    store = answer.json()["stores"]["postgres"]
    assert (store["ok"], store["needed"]) == (False, True)
    assert "secret" not in answer.text
    assert "somebody" not in answer.text


def test_connections_that_were_cut_are_replaced(client: TestClient) -> None:
    assert client.post("/events", json=EVENT).status_code == 202
    change(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for n in range(10):
        assert client.post("/events", json=EVENT | {"age": 5 + n}).status_code == 202
