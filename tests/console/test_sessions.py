"""The console's sessions: who is let in, for how long, and what another site may not do."""

from collections.abc import Callable
from hashlib import sha256

import pytest
from starlette.testclient import TestClient

from routes.console.forms import PREFIX
from routes.console.sessions import local_path
from tests.api.test_access import API_KEYS, SECRETS
from tests.console.session import log_in, token
from tests.library import rows
from workers.core.api_keys import Role
from workers.core.process import process


def test_a_form_of_another_session_or_site_does_nothing(keyed: TestClient) -> None:
    path = f"{PREFIX}/queues/live/pause"
    log_in(keyed, Role.admin)
    stolen = token(keyed)
    log_in(keyed, Role.admin)
    assert keyed.post(path, data={"token": stolen}).status_code == 403
    assert keyed.post(path).status_code == 403
    given = {"token": token(keyed)}
    elsewhere = {"origin": "http://evil.example"}
    assert keyed.post(path, data=given, headers=elsewhere).status_code == 403
    assert rows("SELECT * FROM paused_queues") == rows("SELECT * FROM audit") == []
    assert keyed.post(path, data=given).status_code == 303
    assert rows("SELECT paused_by FROM paused_queues") == [("adminer",)]


def test_the_api_does_not_take_the_cookie_of_the_pages(keyed: TestClient) -> None:
    log_in(keyed, Role.admin)
    assert keyed.get("/freshness").status_code == 401
    assert keyed.post("/queues/live/pause").status_code == 401


def test_a_wrong_key_logs_nobody_in_and_too_many_are_refused(keyed: TestClient) -> None:
    statuses = []
    for n in range(12):
        answer = keyed.post("/login", data={"key": f"guess {n}"})
        statuses.append(answer.status_code)
        assert "set-cookie" not in answer.headers
        assert f"guess {n}" not in answer.text
    assert statuses == [401] * 10 + [429] * 2
    assert keyed.post("/login", data={"key": SECRETS[Role.read]}).status_code == 429
    process().forget()
    log_in(keyed, Role.read)


def test_a_session_ends_with_its_key_and_with_the_logout(
    keyed: TestClient, configure: Callable[..., None]
) -> None:
    log_in(keyed, Role.admin)
    configure(API_KEYS=API_KEYS.replace("adminer:admin", "adminer:read"))
    assert keyed.get("/console/audit").status_code == 403, "it has the role that it has now"
    digest = sha256(SECRETS[Role.admin].encode()).hexdigest()
    configure(API_KEYS=API_KEYS.replace(digest, "0" * 64))
    assert keyed.get("/").status_code == 303, "another secret under the same name"
    configure(API_KEYS=API_KEYS)
    log_in(keyed, Role.read)
    cookie = keyed.cookies["kinfold_session"]
    answer = keyed.post("/logout", data={"token": token(keyed)})
    assert answer.headers["location"] == "/login"
    assert keyed.get("/").status_code == 303
    keyed.cookies.set("kinfold_session", cookie)
    assert keyed.get("/").status_code == 303, "a copy of the cookie is worth nothing, either"


@pytest.mark.parametrize("change_it", [lambda text: text[:-2], lambda text: "x" + text, str.upper])
def test_a_cookie_that_was_changed_is_no_session(
    keyed: TestClient, change_it: Callable[[str], str]
) -> None:
    log_in(keyed, Role.read)
    cookie = keyed.cookies["kinfold_session"]
    keyed.cookies.clear()
    keyed.cookies.set("kinfold_session", change_it(cookie))
    assert keyed.get("/").status_code == 303


def test_the_cookie_is_kept_from_scripts_and_in_production_from_plain_http(
    keyed: TestClient, configure: Callable[..., None]
) -> None:
    answer = keyed.post("/login", data={"key": SECRETS[Role.read]})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    configure(KINFOLD_ENV="production")
    answer = keyed.post("/login", data={"key": SECRETS[Role.read]})
    assert "secure" in answer.headers["set-cookie"].lower()
    assert "max-age" in keyed.get("/login").headers["strict-transport-security"]


@pytest.mark.parametrize(
    "following",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/console/x\n/y",
        "/console/..//evil.example?x=http://y",
        "",
        "/loginx",
    ],
)
def test_after_the_login_nobody_is_sent_elsewhere(keyed: TestClient, following: str) -> None:
    answer = keyed.post("/login", data={"key": SECRETS[Role.read], "next": following})
    location = answer.headers["location"]
    assert location == "/" or location.startswith("/console/")
    assert local_path("/console/queues/live?state=dead") == "/console/queues/live?state=dead"
