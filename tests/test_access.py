"""Who may call what: the roles of keys, and development without keys."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from starlette.testclient import TestClient

from api import OPERATIONS, app
from routes.operations import Operation
from tests.facts import stored
from workers.api_keys import Role

SECRETS = {role: f"the {role.name} key" for role in Role}
API_KEYS = ",".join(
    f"{role.name}er:{role.name}:{sha256(secret.encode()).hexdigest()}"
    for role, secret in SECRETS.items()
)
OPEN = {"/health/live", "/health/ready", "/openapi.json", "/docs"}


def call(client: TestClient, operation: Operation, key: str | None) -> int:
    headers = {} if key is None else {"authorization": f"Bearer {key}".encode()}
    path = operation.path.replace("{", "").replace("}", "")
    answer = client.request(operation.method, path, headers=headers)
    if answer.status_code in (401, 403):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)
    return answer.status_code


def test_every_operation_wants_a_key_of_its_role(
    client: TestClient, configure: Callable[..., None], subtests: pytest.Subtests
) -> None:
    configure(API_KEYS=API_KEYS)
    for operation in OPERATIONS:
        with subtests.test(method=operation.method, path=operation.path):
            for role, secret in SECRETS.items():
                status = call(client, operation, secret)
                allowed = operation.role is None or role >= operation.role
                assert status not in (401, 403) if allowed else status == 403
            for key in (None, "", "wrong", f"{SECRETS[Role.admin]}x", "ünïcode"):
                status = call(client, operation, key)
                assert status not in (401, 403) if operation.role is None else status == 401


def test_only_health_and_docs_are_open_and_writing_is_not_for_readers() -> None:
    assert {each.path for each in OPERATIONS if each.role is None} == OPEN - {
        "/openapi.json",
        "/docs",
    }
    weak = {each.path for each in OPERATIONS if each.method != "GET" and each.role is Role.read}
    # Questions that are too long for a path.
    assert weak == {"/documents/embeddings", "/documents/rerank"}


def test_the_docs_are_open(client: TestClient, configure: Callable[..., None]) -> None:
    configure(API_KEYS=API_KEYS)
    assert {path: client.get(path).status_code for path in OPEN} == dict.fromkeys(OPEN, 200)


def test_a_key_is_only_taken_as_a_bearer(
    client: TestClient, configure: Callable[..., None]
) -> None:
    configure(API_KEYS=API_KEYS)
    secret = SECRETS[Role.read]
    statuses = {
        sent: client.get("/freshness", headers={"authorization": sent}).status_code
        for sent in (
            f"bearer  {secret}",
            f"Basic {secret}",
            secret,
            "Bearer",
            sha256(b"x").hexdigest(),
        )
    }
    assert list(statuses.values()) == [200, 401, 401, 401, 401]
    assert client.get(f"/freshness?key={secret}").status_code == 401


def test_an_event_without_a_key_is_not_stored(
    client: TestClient, configure: Callable[..., None]
) -> None:
    configure(API_KEYS=API_KEYS)
    event = {"event_type": "student_added", "student_id": "S1"}
    assert client.post("/events", json=event).status_code == 401
    assert stored() == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1"])
def test_without_keys_this_machine_may_call(stores: None, host: str) -> None:
    with TestClient(app, client=(host, 50000)) as client:
        assert client.get("/freshness").status_code == 200


@pytest.mark.parametrize("host", ["10.0.0.1", "203.0.113.9", "::", "testclient", "localhost", ""])
def test_without_keys_other_machines_may_not_call(stores: None, host: str) -> None:
    headers = {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1"}
    with TestClient(app, client=(host, 50000), headers=headers) as client:
        assert client.get("/freshness").status_code == 403
        assert client.get("/health/live").status_code == 200
