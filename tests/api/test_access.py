"""Who may call what: the roles of keys, and development without keys."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from starlette.testclient import TestClient

from api import OPERATIONS, app
from routes.http.operations import Operation
from tests.library import change, stored
from workers.core.api_keys import IN_ENVIRONMENT, Role
from workers.core.process import process

pytestmark = pytest.mark.slow

SECRETS = {role: f"the {role.name} key" for role in Role}
API_KEYS = ",".join(
    f"{role.name}er:{role.name}:{sha256(SECRETS[role].encode()).hexdigest()}"
    for role in IN_ENVIRONMENT
)
HOMEROOM = "Ms. Abara"
# Lists of people without a key: the code in the path opens one.
LISTS = {
    "/readers",
    "/readers/{code}",
    "/readers/{code}/books",
    "/readers/{code}/recommendations",
}
OPEN = {"/health/live", "/health/ready", "/openapi.json", "/docs"}


def let_teachers_in() -> None:
    """Store the key of a teacher, who cannot stand in API_KEYS."""
    change(
        "INSERT INTO api_keys (name, role, digest, homerooms, created_by)"
        " VALUES ('teacherer', 'teacher', %s, %s, 'test') ON CONFLICT DO NOTHING",
        sha256(SECRETS[Role.teacher].encode()).hexdigest(),
        [HOMEROOM],
    )


def call(client: TestClient, operation: Operation, key: str | None) -> int:
    headers: dict[bytes, bytes] = {}
    if key is not None:
        headers[b"authorization"] = f"Bearer {key}".encode()
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
    let_teachers_in()
    for operation in OPERATIONS:
        with subtests.test(method=operation.method, path=operation.path):
            for role, secret in SECRETS.items():
                status = call(client, operation, secret)
                allowed = operation.admits(role)
                assert status not in (401, 403) if allowed else status == 403
            for key in (None, "", "wrong", f"{SECRETS[Role.admin]}x", "ünïcode"):
                status = call(client, operation, key)
                assert status not in (401, 403) if operation.role is None else status == 401
            process().forget()


def test_only_health_docs_and_lists_under_a_code_are_open_and_writing_is_not_for_readers() -> None:
    without = {each.path for each in OPERATIONS if each.role is None}
    assert without - LISTS == OPEN - {"/openapi.json", "/docs"}
    assert without >= LISTS
    weak = {each.path for each in OPERATIONS if each.method != "GET" and each.role is Role.read}
    # Questions that are too long for a path.
    assert weak == {"/documents/embeddings", "/documents/rerank", "/recommendations"}


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
    with TestClient(app, "http://localhost:8000", client=(host, 50000)) as client:
        assert client.get("/freshness").status_code == 200


@pytest.mark.parametrize("host", ["10.0.0.1", "203.0.113.9", "::", "testclient", "localhost", ""])
def test_without_keys_other_machines_may_not_call(stores: None, host: str) -> None:
    headers = {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1"}
    with TestClient(app, "http://127.0.0.1", client=(host, 50000), headers=headers) as client:
        assert client.get("/freshness").status_code == 403
        assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    "base", ["http://evil.example", "http://10.0.0.1", "http://127.0.0.1.nip.io"]
)
def test_without_keys_a_name_that_was_made_to_point_here_may_not_call(
    stores: None, base: str
) -> None:
    with TestClient(app, base, client=("127.0.0.1", 50000)) as client:
        assert client.get("/freshness").status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:9", "null"])
def test_without_keys_the_pages_of_other_sites_may_not_call(
    client: TestClient, origin: str
) -> None:
    event = {"event_type": "student_added", "student_id": "S1"}
    for path in ("/events", "/neighbors/rebuild"):
        assert client.post(path, json=event, headers={"origin": origin}).status_code == 403
    assert stored() == 0
    own = {"origin": "http://127.0.0.1"}
    assert client.post("/events", json=event, headers=own).status_code == 202


def with_key(key: str, forwarded: str = "") -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "x-forwarded-for": forwarded}


def test_whoever_guesses_keys_is_refused_also_with_the_right_one(
    client: TestClient, configure: Callable[..., None]
) -> None:
    configure(API_KEYS=API_KEYS)
    right = SECRETS[Role.read]
    statuses = [
        client.get("/freshness", headers=with_key(f"guess {n}")).status_code for n in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2
    assert client.get("/freshness", headers=with_key(right)).status_code == 429
    assert client.get("/health/live").status_code == 200
    elsewhere = with_key(right, "198.51.100.7, 203.0.113.9")
    assert client.get("/freshness", headers=elsewhere).status_code == 200


def test_the_same_wrong_key_again_and_again_locks_nobody_out(
    client: TestClient, configure: Callable[..., None]
) -> None:
    configure(API_KEYS=API_KEYS)
    for _ in range(30):
        assert client.get("/freshness", headers=with_key("old key")).status_code == 401
    assert client.get("/freshness", headers=with_key(SECRETS[Role.read])).status_code == 200


def test_whoever_says_to_be_forwarded_for_many_is_stopped_all_the_same(
    client: TestClient, configure: Callable[..., None]
) -> None:
    configure(API_KEYS=API_KEYS)
    statuses = [
        client.get("/freshness", headers=with_key(f"guess {n}", f"203.0.113.{n}")).status_code
        for n in range(110)
    ]
    assert statuses == [401] * 100 + [429] * 10


def test_the_addresses_of_one_ipv6_network_are_one(
    stores: None, configure: Callable[..., None]
) -> None:
    configure(API_KEYS=API_KEYS)
    statuses = []
    for n in range(12):
        # Each in the same process, so without the lifespan that would open another one.
        client = TestClient(app, client=(f"2001:db8::{n:x}", 50000))
        answer = client.get("/freshness", headers=with_key(f"guess {n}"))
        statuses.append(answer.status_code)
    assert statuses == [401] * 10 + [429] * 2
