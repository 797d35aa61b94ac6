"""Dead letters of the ledger and of the queues over HTTP: seen, tried again, discarded."""

from uuid import uuid4

import pytest
from dramatiq import Message
from dramatiq.broker import MessageProxy
from starlette.testclient import TestClient

from actors import broker
from actors import recompute_student as recompute_student_actor
from actors.middleware.metrics import KeepTraceback
from tests.embeddings_server import EmbeddingsServer
from tests.jobs.test_queues import bury
from tests.library import book, change, checkout, ledger, rows
from tests.work_off import about_students, work_off
from workers.core.vocabulary import Kind
from workers.ingest.events import BookChanged
from workers.ingest.record import record_events
from workers.students.recompute import recompute_student

pytestmark = pytest.mark.slow

EMBEDDING = "student_embedding"


@pytest.fixture
def dead(client: TestClient, embeddings_server: EmbeddingsServer) -> TestClient:
    """Three students whose text the provider refuses, and one whose attempts are over."""
    embeddings_server.refused.add("Title of")
    for n in range(3):
        recorded = record_events([checkout(f"S{n}", f"B{n}"), named(n)])
        work_off(about_students(recorded.notifications))
    work_off(record_events([checkout("S9", "B9")]).notifications)
    assert [each[0] for each in ledger(Kind.student_embedding, "error").values()].count(None) == 1
    embeddings_server.refused.clear()
    return client


def named(n: int) -> BookChanged:
    return book(f"B{n}", f"Title of {n}", genre=["poetry"], reading_level=1.0 + n)


def test_dead_letters_are_grouped_by_error_with_their_tracebacks(dead: TestClient) -> None:
    body = dead.get("/dead", params={"kind": EMBEDDING}).json()
    (group,) = body["groups"]
    assert (group["kind"], group["count"]) == (EMBEDDING, 3)
    assert "refused by the content filter" in group["error"]
    assert {each["letter"]["key"] for each in body["letters"]} == {"S0", "S1", "S2"}
    for each in body["letters"]:
        assert each["letter"]["error_group"] == group["error"]
        assert "ProviderRefusedError" in each["traceback"]
    assert dead.get("/dead").json()["letters"] == []
    assert dead.get("/dead").json()["groups"] == body["groups"]
    assert dead.get("/dead", params={"kind": "student_neighbors"}).json()["groups"] == []


def test_dead_letters_come_in_pages_and_can_be_searched(dead: TestClient) -> None:
    first = dead.get("/dead", params={"kind": EMBEDDING, "limit": 2}).json()
    rest = {"kind": EMBEDDING, "limit": 2, "cursor": first["next_cursor"]}
    second = dead.get("/dead", params=rest).json()
    keys = [each["letter"]["key"] for each in first["letters"] + second["letters"]]
    assert keys == ["S2", "S1", "S0"]
    assert second["next_cursor"] is None
    found = dead.get("/dead", params={"kind": EMBEDDING, "search": "1"}).json()["letters"]
    assert [each["letter"]["key"] for each in found] == ["S1"]
    other = {"kind": EMBEDDING, "error_group": "something else"}
    assert dead.get("/dead", params=other).json()["letters"] == []


def test_the_page_counts_every_dead_letter_however_many_errors_there_are(
    client: TestClient,
) -> None:
    for n in range(120):
        record_events([checkout(f"S{n}", "B1")])
    change("UPDATE freshness SET dead_at = now(), error = repeat('e', substr(key, 2)::int)")
    change("UPDATE freshness SET error = 'e' WHERE key IN ('S0', 'S1', 'S2')")
    page = client.get(f"/console/dead/{EMBEDDING}").text
    assert "Retry all 120" in page
    assert "Retry all 3" in client.get(f"/console/dead/{EMBEDDING}?error_group=e").text


def test_named_keys_are_requeued_and_become_fresh(dead: TestClient) -> None:
    choice = {"kind": EMBEDDING, "keys": ["S1", "S9", "unknown"]}
    answer = dead.post("/dead/requeue", json=choice)
    assert (answer.status_code, answer.json()) == (202, {"count": 1})
    found = ledger(Kind.student_embedding, "dead_at", "attempts", "error")
    assert found["S1"] == (None, 0, None)
    assert found["S0"][0] is not None
    messages = dead.get("/queues/live/messages").json()["messages"]
    assert [(each["actor"], each["args"]) for each in messages] == [("recompute_student", ["S1"])]
    recompute_student("S1")
    assert dead.get("/students/S1").json()["freshness"]["embedding"]["fresh"] is True


@pytest.mark.parametrize("choice", ["all", "error_group"])
def test_a_whole_group_or_kind_is_requeued_with_one_message_per_batch(
    dead: TestClient, choice: str
) -> None:
    (group,) = dead.get("/dead").json()["groups"]
    body = {"kind": EMBEDDING, choice: True if choice == "all" else group["error"]}
    assert dead.post("/dead/requeue", json=body).json() == {"count": 3}
    assert dead.get("/dead").json()["groups"] == []
    assert dead.get("/queues").json()["queues"][0]["ready"] == 1
    assert dead.post("/dead/requeue", json=body).json() == {"count": 0}


def test_discarded_keys_leave_the_ledger_until_something_new_arrives(dead: TestClient) -> None:
    body = {"kind": EMBEDDING, "keys": ["S0", "S9"]}
    assert dead.post("/dead/discard", json=body).json() == {"count": 1}
    assert ledger(Kind.student_embedding, "key").keys() == {"S1", "S2", "S9"}
    assert dead.post("/dead/discard", json={"kind": EMBEDDING, "all": True}).json() == {"count": 2}
    assert dead.get("/freshness").json()["kinds"][0]["ok"] is True
    work_off(record_events([checkout("S0", "B9")]).notifications)
    assert ledger(Kind.student_embedding, "wanted", "done")["S0"] == (1, 1)


def test_the_attempts_at_a_key_are_all_there(dead: TestClient) -> None:
    dead.post("/dead/requeue", json={"kind": EMBEDDING, "keys": ["S1"]})
    recompute_student("S1")
    found = dead.get("/attempts", params={"kind": EMBEDDING, "key": "S1"}).json()
    assert [each["error"] is None for each in found["attempts"]] == [True, False]
    assert "Traceback" in found["attempts"][1]["traceback"]
    page: dict[str, str | int] = {"kind": EMBEDDING, "key": "S1", "limit": 1}
    first = dead.get("/attempts", params=page).json()
    second = dead.get("/attempts", params=page | {"cursor": first["next_cursor"]}).json()
    assert first["attempts"] + second["attempts"] == found["attempts"]


def test_dead_messages_are_listed_requeued_and_discarded(client: TestClient) -> None:
    ids = [bury("renamed_actor", f"S{n}") for n in range(4)]
    assert client.get("/dead").json()["queues"][0] == {"queue": "live", "count": 4}
    page = client.get("/queues/live/messages", params={"state": "dead", "limit": 3}).json()
    assert (len(page["messages"]), page["total"]) == (3, 4)
    assert all(each["died_at"] for each in page["messages"])
    answer = client.post("/dead/requeue", json={"queue": "live", "ids": ids[:2]})
    assert (answer.status_code, answer.json()) == (202, {"count": 2})
    answer = client.post("/dead/discard", json={"queue": "live", "all": True})
    assert (answer.status_code, answer.json()) == (200, {"count": 2})
    (live, _) = client.get("/queues").json()["queues"]
    assert (live["ready"], live["dead"]) == (2, 0)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": EMBEDDING},
        {"kind": "nothing", "all": True},
        {"kind": EMBEDDING, "all": False},
        {"kind": EMBEDDING, "keys": ["S1"], "all": True},
        {"queue": "live", "ids": None},
        {"queue": "nowhere", "all": True},
        {"queue": "live", "kind": EMBEDDING, "all": True},
        [],
    ],
)
def test_a_choice_that_does_not_say_what_is_refused(client: TestClient, body: object) -> None:
    for path in ("/dead/requeue", "/dead/discard"):
        assert client.post(path, json=body).status_code == 422
        assert client.post(path, content=b"{").status_code == 400


def test_every_act_is_recorded_with_who_did_it_and_how_it_went(client: TestClient) -> None:
    client.post("/queues/live/pause")
    client.post("/queues/nowhere/pause")
    client.post("/dead/discard", json={"queue": "live", "all": True})
    nothing = f"/runs/{uuid4()}/cancel"
    client.post(nothing)
    client.post("/neighbors/rebuild")
    client.post("/neighbors/rebuild")
    acts = client.get("/audit").json()["acts"]
    assert [(act["action"], act["target"], act["status"]) for act in acts] == [
        ("POST /neighbors/rebuild", "/neighbors/rebuild", 409),
        ("POST /neighbors/rebuild", "/neighbors/rebuild", 202),
        ("POST /runs/{run_id}/cancel", nothing, 404),
        ("POST /dead/discard", "/dead/discard", 200),
        ("POST /queues/{queue}/pause", "/queues/nowhere/pause", 404),
        ("POST /queues/{queue}/pause", "/queues/live/pause", 200),
    ]
    assert {act["key_name"] for act in acts} == {"local"}
    assert acts[3]["body"].replace(" ", "") == '{"queue":"live","all":true}'
    assert "unknown_queue" in acts[4]["error"]
    assert all(act["request_id"] for act in acts)
    assert rows("SELECT paused_by FROM paused_queues") == [("local",)]
    first = client.get("/audit", params={"limit": 2}).json()
    rest = client.get("/audit", params={"cursor": first["next_cursor"]}).json()
    assert first["acts"] + rest["acts"] == acts


def test_what_an_actor_raised_is_kept_in_its_dead_message(client: TestClient) -> None:
    message = recompute_student_actor.send("S1")
    redis_id = message.options["redis_message_id"]
    broker.do_fetch("live", 1)
    try:
        int("on purpose")
    except ValueError as error:
        KeepTraceback().after_process_message(broker, MessageProxy(message), exception=error)
    broker.do_nack("live", redis_id)
    (found,) = client.get("/queues/live/messages?state=dead").json()["messages"]
    assert (found["id"], found["message_id"]) == (redis_id, message.message_id)
    assert found["error"].startswith("ValueError: invalid literal")
    assert "test_what_an_actor_raised" in found["traceback"]
    client.post("/dead/requeue", json={"queue": "live", "all": True})
    (body,) = broker.do_fetch("live", 1)
    assert Message.decode(body).args == ("S1",)
