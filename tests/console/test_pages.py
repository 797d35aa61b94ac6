"""The console without a browser: roles, forms, headers, and what no page may show."""

import logging
import re
from collections.abc import Callable, Iterator

import pytest
import redis
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from actors import recompute_student
from api import OPERATIONS, app
from routes.console.forms import PREFIX
from routes.console.views import PAGES
from routes.library.acts import PREFIX as ACTS_PREFIX
from routes.library.reader import ROUTES as READER_ROUTES
from routes.library.views import ACTS, DOWNLOADS
from routes.library.views import PAGES as LIBRARY_PAGES
from tests.api.test_access import API_KEYS, SECRETS
from tests.collection import Documents, work_run
from tests.console.session import log_in, token
from tests.library import borrowed, change, fact, record, rows
from tests.platform import acted, posts, recompute_all
from tests.work_off import work_off
from workers.core.api_keys import Role
from workers.core.vocabulary import Kind
from workers.jobs.runs import RunKind
from workers.ledger.freshness import Notification

pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script>"


def filled(path: str) -> str:
    for name, value in {
        "queue": "live",
        "kind": "student_embedding",
        "job": "prune_history",
    }.items():
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{key}", "S1").replace("{student_id}", "S1").replace("{run_id}", "x")


def test_every_page_needs_a_login_and_shows_itself_to_its_role(
    library: TestClient, subtests: pytest.Subtests
) -> None:
    for page in PAGES:
        path = filled(page.path)
        with subtests.test(path=path):
            library.cookies.clear()
            answer = library.get(path)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/login?next=")
            for role in Role:
                log_in(library, role)
                answer = library.get(path)
                if path == "/" and role is Role.teacher:
                    assert answer.headers["location"] == "/library"
                    continue
                assert answer.status_code == (200 if role.includes(page.role) else 403)
                assert "<h1" in answer.text


# What they need is not there: a run, which the browser's test cancels, or a key's name.
NEED_MORE = {"post_cancel", "post_resume", "post_keys", "delete_keys"}


def test_every_form_does_what_its_operation_allows_and_no_more(
    library: TestClient, subtests: pytest.Subtests
) -> None:
    forms = [each for each in OPERATIONS if each.form]
    assert len(forms) >= 12
    for operation in forms:
        path = PREFIX + filled(operation.path)
        with subtests.test(path=path):
            library.cookies.clear()
            assert library.post(path).headers.get("location") == "/login"
            for role in Role:
                log_in(library, role)
                given = {"token": token(library), "back": "/console/queues", "queue": "live"}
                answer = library.post(path, data=given | {"all": "1"})
                allowed = operation.admits(role)
                assert answer.status_code == (303 if allowed else 403)
                said = re.findall(r'class="flash (\w+)"', library.get("/console/queues").text)
                good = "bad" if operation.name in NEED_MORE else "good"
                assert said == ([good] if allowed else [])


def test_every_route_is_an_operation_a_page_a_form_or_the_login() -> None:
    known = {each.path for each in OPERATIONS} | {page.path for page in PAGES}
    known |= {PREFIX + each.path for each in OPERATIONS if each.form}
    known |= {page.path for page in LIBRARY_PAGES} | {ACTS_PREFIX + act.path for act in ACTS}
    known |= {each.path for each in DOWNLOADS}
    known |= {route.path for route in READER_ROUTES}
    known |= {"/login", "/logout", "/openapi.json", "/docs", "/static"}
    assert {route.path for route in app.routes if isinstance(route, Route | Mount)} == known


def test_every_act_that_needs_an_admin_is_recorded() -> None:
    acts = [each for each in OPERATIONS if each.method != "GET" and each.role is Role.admin]
    assert acts
    assert [each.path for each in acts if not each.audited] == []


@pytest.mark.parametrize("body", ["a=b&" * 1001, "key=" + "x" * 300_000], ids=["fields", "bytes"])
def test_a_form_larger_than_any_of_the_consoles_is_refused(keyed: TestClient, body: str) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert keyed.post("/login", content=body, headers=kind).status_code == 413
    log_in(keyed, Role.read)
    assert keyed.post("/logout", content=body, headers=kind).status_code == 413
    assert keyed.get("/").status_code == 200


def test_every_answer_carries_the_headers_that_protect_it(keyed: TestClient) -> None:
    for path in ("/login", "/health/live", "/docs", "/static/console.css", "/nowhere"):
        headers = keyed.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def hostile_library(client: TestClient) -> None:
    """Every text that somebody may give is a script."""
    change("INSERT INTO students (student_id, homeroom_teacher) VALUES (%s, %s)", HOSTILE, HOSTILE)
    change(
        "INSERT INTO freshness (kind, key, error, dead_at, stale_since)"
        " VALUES ('student_embedding', %s, %s, now(), now())",
        HOSTILE,
        HOSTILE,
    )
    change(
        "INSERT INTO attempts (kind, key, wanted, worker, started_at, error, traceback)"
        " VALUES ('student_embedding', %s, 1, %s, now(), %s, %s)",
        *[HOSTILE] * 4,
    )
    recompute_student.send(HOSTILE)
    client.post("/queues/live/pause", content=HOSTILE)
    client.post("/dead/requeue", content=HOSTILE)


def test_no_page_takes_what_somebody_wrote_for_its_own(client: TestClient) -> None:
    hostile_library(client)
    key = "%3Cscript%3Ealert(1)%3C%2Fscript%3E"
    paths = [filled(page.path).replace("S1", key) for page in PAGES]
    seen = 0
    for path in [*paths, f"/console/find?key={key}", f"/console/queues/live?search={key}"]:
        text = client.get(path).text
        assert "<script>alert" not in text
        seen += "&lt;script&gt;alert" in text
    assert seen >= 6


def test_no_secret_is_in_a_page_or_a_log_line(
    library: TestClient, configure: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    configure(OPENAI_API_KEY="sk-very-secret", API_KEYS=API_KEYS)
    (secret,) = rows("SELECT secret FROM session_secret")[0]
    log_in(library, Role.admin)
    shown = "".join(library.get(filled(page.path)).text for page in PAGES)
    shown += library.post("/login", data={"key": "wrong key of mine"}).text
    library.get("/freshness", headers={"authorization": f"Bearer {SECRETS[Role.admin]}"})
    logged = "".join(repr(vars(record)) for record in caplog.records)
    assert "/login" in logged, "or there would be nothing to look at"
    shown += logged
    digests = re.findall(r"[0-9a-f]{64}", API_KEYS)
    for each in (*SECRETS.values(), *digests, secret, "sk-very-secret", "wrong key of mine"):
        assert each not in shown


def test_without_redis_the_overview_says_so_and_the_queues_page_too(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.core.stores import redis_client
    from workers.jobs import queues

    nobody = redis_client("redis://127.0.0.1:1", timeout_s=0.2, retries=0)
    monkeypatch.setattr(queues, "broker_redis", lambda: nobody)
    with pytest.raises(redis.RedisError):
        nobody.ping()
    for path in ("/", "/console/queues"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "Redis does not answer" in answer.text
    assert client.get("/console/dead").status_code == 503


def test_the_page_of_a_student_shows_profile_vector_neighbours_and_events(
    client: TestClient,
) -> None:
    record(fact("book_added", book_id="B1", title="One", genre=["poetry"]))
    record(borrowed("S1"), borrowed("S2"))
    work_off([Notification(Kind.student_embedding, "S1")])
    text = client.get("/console/keys/S1").text
    for shown in (">poetry<", "/console/keys/S2", "<dt>Norm</dt><dd>1.0000</dd>", "checkout_added"):
        assert shown in text, shown
    assert "student_neighbors of S1" in text


def test_the_page_of_a_user_shows_vector_likeness_and_why_there_is_none(
    client: TestClient,
) -> None:
    posts()
    record(acted("U1", "P0"), acted("U2", "P0"), acted("U3", "nobody has named it"))
    assert "when the schedule calls it" in client.get("/console/keys/U1").text
    recompute_all()
    text = client.get("/console/keys/U1").text
    for shown in ("<dt>Actions</dt><dd>1</dd>", "<dt>Norm</dt><dd>1.0000</dd>", "/console/keys/U2"):
        assert shown in text, shown
    assert "<code>no_embeddings</code>" in client.get("/console/keys/U3").text
    post = client.get("/console/keys/P0").text
    assert "<h2>Post</h2>" in post
    assert "<dd>384</dd>" in post


def test_the_page_of_a_document_shows_its_vector_or_why_there_is_none(
    documents: Documents, client: TestClient
) -> None:
    documents.add("a:b/c")
    documents.add("broken", body=1)
    work_run(RunKind.documents_all)
    text = client.get("/console/keys/a%3Ab%2Fc").text
    assert "<h2>Document</h2>" in text
    assert re.search(r"<dt>Norm</dt><dd>(1\.0|0\.9)\d+</dd>", text)
    assert "<h2>Attempts</h2>" not in text, "documents are not in the ledger"
    text = client.get("/console/keys/broken").text
    assert "<code>body_not_text</code>" in text
    assert "/console/keys/broken" in client.get("/console/find?key=broken").text


def test_what_nobody_knows_has_no_page_and_is_not_found(client: TestClient) -> None:
    assert client.get("/console/keys/nobody").status_code == 404
    assert "Nothing is known" in client.get("/console/find?key=nobody").text


def pages() -> Iterator[str]:
    for page in PAGES:
        yield page.path


def test_there_is_no_page_without_a_title() -> None:
    assert len(set(pages())) == len(PAGES)
    assert all(page.title and page.shows for page in PAGES)
