"""GET /students/{id} and /neighbors, and POST /students/{id}/recompute."""

from urllib.parse import quote
from uuid import UUID

from starlette.testclient import TestClient

from tests.library import all_fresh, borrowed, change, fact, record, rows, stale, student
from workers.students.recompute import recompute_student

NEVER = {"fresh": False, "stale_since": None, "updated_at": None, "last_event": None, "error": None}


def make_neighbors(student_id: str, count: int) -> None:
    """Students N00, N01, ... ever less similar to this one; N00 and N01 are equally so."""
    names = [f"N{n:02}" for n in range(count)]
    record(*(student(name) for name in (student_id, *names)))
    change(
        "INSERT INTO student_embeddings (student_id, model, dimensions, content_hash, vec)"
        " SELECT student_id, 'm', 3, sha256('x'), '[1, 0, 0]' FROM students"
    )
    for n, name in enumerate(names):
        change(
            "INSERT INTO student_similarity (a, b, sim) VALUES (%s, %s, %s)",
            *(student_id, name, 1 - max(n, 1) / 32),
        )


def test_a_student_who_was_never_worked_on_has_no_profile(client: TestClient) -> None:
    (event_id,) = record(student("S1", grade_level=4, age=9, lunch_period="2")).event_ids
    answer = client.get("/students/S1")
    assert answer.status_code == 200
    body = answer.json()
    assert {name: body[name] for name in ("student_id", "grade_level", "age", "lunch_period")} == {
        "student_id": "S1",
        "grade_level": 4,
        "age": 9,
        "lunch_period": "2",
    }
    assert body["homeroom_teacher"] is None
    assert (body["profile"], body["reading_level"]) == (None, None)
    embedding = body["freshness"]["embedding"]
    assert embedding.pop("stale_since").endswith("Z")
    assert embedding == {name: NEVER[name] for name in embedding}
    assert body["freshness"]["neighbors"] == NEVER
    assert rows("SELECT last_event FROM freshness") == [(event_id,)]


def test_a_student_who_was_worked_on_shows_profile_level_and_freshness(client: TestClient) -> None:
    events = record(
        fact("book_added", book_id="B1", title="One", genre=["fantasy"], reading_level=3.5),
        borrowed(),
    ).event_ids
    recompute_student("S1")
    body = client.get("/students/S1").json()
    assert [book["title"] for book in body["profile"]["recent_books"]] == ["One"]
    assert body["reading_level"]["value"] == 3.5
    assert 0 < body["reading_level"]["confidence"] <= 1
    embedding = body["freshness"]["embedding"]
    assert (embedding["fresh"], embedding["stale_since"]) == (True, None)
    assert embedding["last_event"] == str(events[1])
    assert embedding["updated_at"].endswith("Z")
    assert body["freshness"]["neighbors"]["fresh"] is False


def test_a_failure_is_shown_with_its_reason(client: TestClient) -> None:
    record(student("S1"))
    change("UPDATE freshness SET error = 'the provider said no', dead_at = now()")
    embedding = client.get("/students/S1").json()["freshness"]["embedding"]
    assert (embedding["fresh"], embedding["error"]) == (False, "the provider said no")


def test_neighbours_come_best_first_up_to_the_limit(client: TestClient) -> None:
    make_neighbors("S1", 20)
    path = "/students/S1/neighbors"
    body = client.get(path).json()
    assert body["student_id"] == "S1"
    assert [each["student_id"] for each in body["neighbors"]] == [f"N{n:02}" for n in range(15)]
    assert body["neighbors"][2] == {"student_id": "N02", "similarity": 1 - 2 / 32}
    for limit, count in {"1": 1, "3": 3, "15": 15, "16": 15, "9" * 30: 15}.items():
        neighbors = client.get(path, params={"limit": limit}).json()["neighbors"]
        assert neighbors == body["neighbors"][:count]


def test_a_limit_that_is_no_number_is_invalid(client: TestClient) -> None:
    record(student("S1"))
    for limit in ("0", "-1", "ten", "", "1.5", "1e3", "٣", "²", " 3"):
        answer = client.get("/students/S1/neighbors", params={"limit": limit})
        assert answer.status_code == 422, limit
        assert answer.json()["errors"][0]["loc"] == ["limit"]


def test_a_student_without_neighbours_has_an_empty_list(client: TestClient) -> None:
    record(student("S1"))
    assert client.get("/students/S1/neighbors").json() == {
        "student_id": "S1",
        "neighbors": [],
        "last_event": None,
        "updated_at": None,
        "fresh": False,
    }


def test_the_list_carries_the_event_that_it_reflects(client: TestClient) -> None:
    record(student("S1"))
    change(
        "INSERT INTO freshness (kind, key, wanted, done, done_event, done_at)"
        " VALUES ('student_neighbors', 'S1', 1, 1, %s, now())",
        UUID(int=7),
    )
    body = client.get("/students/S1/neighbors").json()
    assert (body["last_event"], body["fresh"]) == (str(UUID(int=7)), True)
    assert body["updated_at"].endswith("Z")


def test_a_wish_for_a_recompute_is_an_event_to_follow_and_revives_the_dead(
    client: TestClient,
) -> None:
    record(student("S1"))
    all_fresh()
    change("UPDATE freshness SET wanted = wanted + 1, dead_at = now(), error = 'x', attempts = 5")
    answer = client.post("/students/S1/recompute")
    assert answer.status_code == 202
    event_id = answer.json()["event_id"]
    assert rows("SELECT dead_at, attempts, last_event FROM freshness") == [
        (None, 0, UUID(event_id))
    ]
    chain = client.get(f"/events/{event_id}").json()
    assert chain["event_type"] == "student_recompute_requested"
    assert [(each["key"], each["state"]) for each in chain["effects"]] == [("S1", "stale")]
    recompute_student("S1")
    chain = client.get(f"/events/{event_id}").json()
    states = {each["kind"]: each["state"] for each in chain["effects"]}
    assert states["student_embedding"] == "fresh"


def test_an_unknown_student_is_sent_so_and_nothing_is_noted(client: TestClient) -> None:
    for path in ("/students/S9", "/students/S9/neighbors", "/students/S9%2Fneighbors"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_student")
        assert answer.headers["content-type"] == "application/problem+json"
    answer = client.post("/students/S9/recompute")
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_student")
    assert rows("SELECT event_id FROM events") == []
    assert stale() == set()


def test_a_deleted_student_is_unknown_at_once(client: TestClient) -> None:
    record(student("S1"), fact("student_deleted", student_id="S1"))
    assert client.get("/students/S1").status_code == 404


def test_a_path_that_holds_no_id_is_invalid(client: TestClient) -> None:
    for encoded in ("%00", "a%0Ab", "%ff", "%ed%a0%80", quote("x" * 201)):
        for answer in (
            client.get(f"/students/{encoded}"),
            client.get(f"/students/{encoded}/neighbors"),
            client.post(f"/students/{encoded}/recompute"),
        ):
            assert answer.status_code == 422, encoded
            assert answer.json()["errors"][0]["loc"] == ["student_id"]
