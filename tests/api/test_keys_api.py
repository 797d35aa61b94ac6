"""Keys that are made while Kinfold runs: shown once, known everywhere soon, removed for good."""

import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest
from starlette.testclient import TestClient

from tests.api.test_access import API_KEYS, SECRETS, with_key
from tests.library import change, rows
from workers.core import stored_keys
from workers.core.api_keys import Role
from workers.core.process import process

pytestmark = pytest.mark.slow


@pytest.fixture
def keyed(client: TestClient, configure: Callable[..., None]) -> TestClient:
    configure(API_KEYS=API_KEYS)
    client.headers.update(with_key(SECRETS[Role.admin]))
    return client


def make(client: TestClient, name: str, role: Role, *homerooms: str) -> str:
    wanted = {"name": name, "role": role, "homerooms": homerooms}
    answer = client.post("/keys", json=wanted)
    assert answer.status_code == 201, answer.text
    assert answer.json()["name"] == name
    return str(answer.json()["key"])


def status(client: TestClient, key: str) -> int:
    return client.get("/freshness", headers=with_key(key)).status_code


def test_a_made_key_works_at_once_and_only_its_hash_is_kept(keyed: TestClient) -> None:
    key = make(keyed, "loans", Role.read)
    assert status(keyed, key) == 200
    assert keyed.post("/queues/live/pause", headers=with_key(key)).status_code == 403
    (listed,) = keyed.get("/keys").json()["keys"]
    assert (listed["name"], listed["role"], listed["created_by"]) == ("loans", "read", "adminer")
    everything = rows("SELECT to_jsonb(k)::text FROM api_keys k") + rows(
        "SELECT to_jsonb(a)::text FROM audit a"
    )
    assert "loans" in str(everything)
    assert key not in str(everything)


def test_a_removed_key_is_worth_nothing(keyed: TestClient) -> None:
    key = make(keyed, "loans", Role.read)
    assert keyed.delete("/keys/loans").status_code == 200
    assert status(keyed, key) == 401
    answer = keyed.delete("/keys/loans")
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_api_key")


def test_another_process_knows_a_new_key_and_forgets_a_removed_one_after_a_look(
    keyed: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make(keyed, "loans", Role.read)
    process().forget()
    assert status(keyed, key) == 200
    change("DELETE FROM api_keys")
    assert status(keyed, key) == 200, "what was just read is taken for true"
    monkeypatch.setattr(stored_keys, "HELD_S", 0.0)
    assert status(keyed, key) == 401


def test_while_postgres_is_down_the_keys_that_were_read_stay_known(
    keyed: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make(keyed, "loans", Role.read)
    tries = []

    def down() -> list[stored_keys.StoredKey]:
        tries.append(1)
        raise psycopg.OperationalError("the server is gone")

    monkeypatch.setattr(stored_keys, "list_stored_keys", down)
    monkeypatch.setattr(stored_keys, "HELD_S", 0.0)
    assert status(keyed, key) == 200
    assert tries
    monkeypatch.setattr(stored_keys, "HELD_S", 60.0)
    process().forget()
    tries.clear()
    assert [status(keyed, key) for _ in range(3)] == [503] * 3
    assert len(tries) == 1, "nobody waits for what was just tried"
    assert status(keyed, SECRETS[Role.read]) == 200, "keys of API_KEYS need no table"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"name": "adminer", "role": "read"}, 409),
        ({"name": "taken", "role": "read"}, 409),
        ({"name": "a:b", "role": "read"}, 422),
        ({"name": "x", "role": "owner"}, 422),
        ({"name": "x", "role": "teacher"}, 422),
        ({"name": "x", "role": "librarian", "homerooms": ["Ms. Abara"]}, 422),
        ({"name": "x", "role": "teacher", "homerooms": ["\0"]}, 422),
        ({"name": "x", "role": "teacher", "homerooms": [""]}, 422),
    ],
)
def test_a_key_that_does_not_fit_is_not_made(
    keyed: TestClient, wanted: dict[str, object], code: int
) -> None:
    make(keyed, "taken", Role.read)
    assert keyed.post("/keys", json=wanted).status_code == code
    assert rows("SELECT name FROM api_keys") == [("taken",)]


def test_the_command_makes_a_key_that_works(keyed: TestClient) -> None:
    command = [sys.executable, "-m", "workers.operations.new_key", "rosa", "teacher", "Ms. Abara"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    key = done.stdout.strip()
    assert keyed.get("/books/search?q=x", headers=with_key(key)).status_code == 200
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stdout) == (1, "")
    assert "rosa" in again.stderr
