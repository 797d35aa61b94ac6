"""POST /events and GET /events/{event_id}: what is accepted, what is refused, and how."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from starlette.testclient import TestClient

from tests.library import DAY, loans, rows, stale, stored

pytestmark = pytest.mark.slow

STUDENT = {"event_type": "student_added", "student_id": "S1"}
BOOK = {"event_type": "book_added", "book_id": "B1", "title": "One"}
LOAN = {
    "event_type": "checkout_added",
    "student_id": "S1",
    "book_id": "B1",
    "checkout_date": DAY,
}
CURL = "application/x-www-form-urlencoded"
NDJSON = {"content-type": "application/x-ndjson"}
NASTY_IDS = [
    "a/b",
    "a:b",
    "100%",
    "a?b",
    "a#b",
    "🦊 fox",
    " ",
    "%2F",
    "a+b",
    "漢字",
    "x" * 200,
]


def without(event: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key != name}


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def refused(client: TestClient, body: Any, status: int, **headers: str) -> dict[str, Any]:
    """The problem that a body is answered with; nothing may be stored."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post("/events", content=content, headers=headers)
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status), problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    assert stored() == 0
    return problem


def test_one_event_is_accepted(client: TestClient) -> None:
    answer = client.post("/events", json=LOAN)
    assert answer.status_code == 202
    body = answer.json()
    assert body == {"accepted": 1, "duplicates": 0, "event_ids": [str(UUID(body["event_ids"][0]))]}
    assert loans() == [("S1", "B1", DAY, None, None, None)]


@pytest.mark.parametrize(
    "event",
    [
        STUDENT | {"event_type": "student_updated", "grade_level": 4, "lunch_period": 2},
        {"event_type": "student_deleted", "student_id": "S1"},
        BOOK | {"event_type": "book_updated", "genre": ["fantasy"], "average_rating": 5},
        {"event_type": "book_deleted", "book_id": "B1"},
        LOAN | {"return_date": None, "student_rating": None, "checkout_id": "C1"},
        LOAN | {"event_type": "checkout_returned", "return_date": DAY, "student_rating": 5},
    ],
    ids=lambda event: event["event_type"],
)
def test_events_of_every_type_are_accepted(client: TestClient, event: dict[str, Any]) -> None:
    answer = client.post("/events", json=event)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    assert rows("SELECT event_type FROM events") == [(event["event_type"],)]


def test_a_list_and_ndjson_are_accepted_in_order_with_one_id_each(client: TestClient) -> None:
    ids = [str(uuid4()), str(uuid4())]
    events = [STUDENT | {"event_id": ids[0]}, LOAN | {"event_id": ids[1]}]
    answer = client.post("/events", json={"events": events})
    assert answer.json() == {"accepted": 2, "duplicates": 0, "event_ids": ids}

    more = [BOOK | {"event_id": str(uuid4())}, events[1]]
    body = b"\r\n\n" + lines(*more)
    answer = client.post("/events", content=body, headers=NDJSON)
    expected = [event["event_id"] for event in more]
    assert answer.json() == {"accepted": 1, "duplicates": 1, "event_ids": expected}


def test_the_second_answer_says_duplicate_and_the_first_telling_stays(client: TestClient) -> None:
    event = STUDENT | {"event_id": str(uuid4()), "age": 8}
    assert client.post("/events", json=event).json()["duplicates"] == 0
    again = client.post("/events", json=event | {"age": 9})
    assert again.status_code == 202
    assert again.json() == {"accepted": 0, "duplicates": 1, "event_ids": [event["event_id"]]}
    assert rows("SELECT age FROM students") == [(8,)]


def test_ten_thousand_events_are_accepted_and_one_more_is_too_many(client: TestClient) -> None:
    events = [STUDENT | {"student_id": f"S{n}"} for n in range(10_001)]
    refused(client, {"events": events}, 413)
    refused(client, lines(*events), 413, **NDJSON)
    answer = client.post("/events", json={"events": events[:10_000]})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 10_000)


def test_ten_thousand_loans_of_one_student_are_one_key_to_do(client: TestClient) -> None:
    events = [LOAN | {"book_id": f"B{n}"} for n in range(10_000)]
    assert client.post("/events", json={"events": events}).status_code == 202
    assert rows("SELECT key, wanted FROM freshness") == [("S1", 1)]


UNREADABLE = [
    b"",
    b" \n ",
    b"{",
    b'{"event_type": "student_added", "student_id": "S1"',
    b"event_type=student_added",
    b'{"event_type": "student_added", "student_id": "S\xff"}',
    '{"event_type": "student_added", "student_id": "S1"}'.encode("utf-16"),
    b"\xef\xbb\xbf{}",
    rb'{"event_type": "student_added", "student_id": "\ud800"}',
    b'{"a":' * 50_000,
    b"[" * 50_000,
    b'{"event_type": "student_added", "student_id": "S1", "age": ' + b"9" * 5000 + b"}",
]
NO_LISTS: list[Any] = [[], None, 5, "x", {}, [5], [None], [[STUDENT]], [{}]]
NO_EVENTS: list[Any] = [
    *([], [STUDENT], 5, "event", None, True, {}),
    *({"events": events} for events in NO_LISTS),
]
# With the field at fault, where it is one field.
INVALID: list[tuple[dict[str, Any], str | None]] = [
    (without(STUDENT, "event_type"), None),
    (STUDENT | {"event_type": "student_promoted"}, None),
    (STUDENT | {"event_type": 5}, None),
    (STUDENT | {"shoe_size": 5}, "shoe_size"),
    (STUDENT | {"event_id": "1"}, "event_id"),
    (STUDENT | {"event_id": 1}, "event_id"),
    (without(STUDENT, "student_id"), "student_id"),
    (STUDENT | {"student_id": None}, "student_id"),
    (STUDENT | {"student_id": 5}, "student_id"),
    (STUDENT | {"student_id": ""}, "student_id"),
    (STUDENT | {"student_id": "x" * 201}, "student_id"),
    (STUDENT | {"student_id": "a\nb"}, "student_id"),
    (STUDENT | {"student_id": "a\0b"}, "student_id"),
    (STUDENT | {"student_id": "a\x85b"}, "student_id"),
    (STUDENT | {"grade_level": "high"}, "grade_level"),
    (STUDENT | {"grade_level": "4"}, "grade_level"),
    (STUDENT | {"grade_level": 14}, "grade_level"),
    (STUDENT | {"grade_level": 4.5}, "grade_level"),
    (STUDENT | {"grade_level": True}, "grade_level"),
    (STUDENT | {"grade_level": 10**30}, "grade_level"),
    (STUDENT | {"grade_level": -(10**30)}, "grade_level"),
    (STUDENT | {"grade_level": float("nan")}, "grade_level"),
    (STUDENT | {"grade_level": [4]}, "grade_level"),
    (STUDENT | {"prior_year_reading_score": float("nan")}, "prior_year_reading_score"),
    (STUDENT | {"prior_year_reading_score": float("inf")}, "prior_year_reading_score"),
    (STUDENT | {"prior_year_reading_score": "3.5"}, "prior_year_reading_score"),
    (STUDENT | {"prior_year_reading_score": True}, "prior_year_reading_score"),
    (STUDENT | {"prior_year_reading_score": 10**30}, "prior_year_reading_score"),
    (STUDENT | {"homeroom_teacher": "a\0b"}, "homeroom_teacher"),
    (STUDENT | {"lunch_period": 2.5}, "lunch_period"),
    (STUDENT | {"lunch_period": False}, "lunch_period"),
    (without(BOOK, "title"), "title"),
    (BOOK | {"title": None}, "title"),
    (BOOK | {"title": "a\0b"}, "title"),
    (BOOK | {"genre": "fantasy"}, "genre"),
    (BOOK | {"genre": ["x"] * 101}, "genre"),
    (BOOK | {"keywords": [""]}, "keywords"),
    (BOOK | {"reading_level": "high"}, "reading_level"),
    (BOOK | {"difficulty_band": "high"}, "difficulty_band"),
    (BOOK | {"publication_year": "1999"}, "publication_year"),
    (BOOK | {"description": "x" * 10_001}, "description"),
    (BOOK | {"language": "English"}, "language"),
    (BOOK | {"series_number": -1}, "series_number"),
    (BOOK | {"copies_total": 1, "copies_available": 2}, "copies_available"),
    (BOOK | {"cover_url": "javascript:alert(1)"}, "cover_url"),
    (BOOK | {"cover_url": "https://"}, "cover_url"),
    (BOOK | {"cover_url": "https://name:word@covers.example/"}, "cover_url"),
    (BOOK | {"cover_url": 'https://covers.example/"onload="'}, "cover_url"),
    (without(LOAN, "checkout_date"), "checkout_date"),
    (LOAN | {"checkout_date": "2026-02-30"}, "checkout_date"),
    (LOAN | {"checkout_date": "2026-03-01T10:00:00Z"}, "checkout_date"),
    (LOAN | {"checkout_date": "01.03.2026"}, "checkout_date"),
    (LOAN | {"checkout_date": 1_772_000_000}, "checkout_date"),
    (LOAN | {"return_date": "2026-02-28"}, "return_date"),
    (LOAN | {"student_rating": 6}, "student_rating"),
    (LOAN | {"student_rating": True}, "student_rating"),
    (LOAN | {"checkout_id": ""}, "checkout_id"),
    (LOAN | {"event_type": "checkout_returned"}, "return_date"),
]


def test_a_body_that_cannot_be_read_is_a_bad_request(
    client: TestClient, subtests: pytest.Subtests
) -> None:
    for body in UNREADABLE:
        with subtests.test(body=body[:80]):
            refused(client, body, 400)
            refused(client, body, 400, **NDJSON)


def test_json_that_holds_no_events_is_invalid(
    client: TestClient, subtests: pytest.Subtests
) -> None:
    for body in NO_EVENTS:
        with subtests.test(body=body):
            refused(client, body, 422)


def test_an_invalid_event_is_named_by_its_place_and_field_and_stores_nothing_of_its_list(
    client: TestClient, subtests: pytest.Subtests
) -> None:
    for event, field in INVALID:
        with subtests.test(event=event):
            alone = refused(client, event, 422)
            in_list = refused(client, {"events": [STUDENT, event]}, 422)
            in_lines = refused(client, b"\n" + lines(STUDENT, event), 422, **NDJSON)
            for problem in (in_list, in_lines):
                assert [error["loc"][:2] for error in problem["errors"]] == [["events", 1]]
            for problem in (alone, in_list, in_lines):
                (error,) = problem["errors"]
                assert error["msg"]
                assert field is None or field in error["loc"]


def test_a_title_of_blanks_is_no_title(client: TestClient) -> None:
    for title in ("", " ", "\t\n \u2028"):
        problem = refused(client, BOOK | {"title": title}, 422)
        assert problem["errors"][0]["loc"][-1] == "title"
    assert client.post("/events", json=BOOK | {"title": " One\n"}).status_code == 202
    assert rows("SELECT title FROM books") == [("One",)]


def test_a_number_beyond_all_bounds_is_invalid(client: TestClient) -> None:
    body = b'{"event_type": "student_added", "student_id": "S1", "prior_year_reading_score": 1e400}'
    refused(client, body, 422)


def test_a_body_of_fifty_megabytes_is_too_large(client: TestClient) -> None:
    refused(client, b" " * 50_000_000, 413)
    refused(client, json.dumps({"events": ["x" * 10_500_000]}).encode(), 413)


def test_a_body_that_comes_in_pieces_is_bounded_as_well(client: TestClient) -> None:
    def pieces(count: int) -> Iterator[bytes]:
        yield json.dumps(STUDENT).encode()
        yield from (b" " * 1_000_000 for _ in range(count))

    assert client.post("/events", content=pieces(11)).status_code == 413
    assert stored() == 0
    assert client.post("/events", content=pieces(9)).status_code == 202


def test_a_body_of_another_media_type_is_refused(client: TestClient) -> None:
    for media_type in ("text/plain", "application/xml", "text/csv", "nonsense"):
        problem = refused(client, STUDENT, 415, **{"content-type": media_type})
        assert "application/json" in problem["detail"]


def test_what_curl_and_others_say_about_json_is_fine(client: TestClient) -> None:
    content = json.dumps(STUDENT).encode()
    for media_type in ("application/json; charset=utf-8", "APPLICATION/JSON", CURL, ""):
        headers = {"content-type": media_type}
        assert client.post("/events", content=content, headers=headers).status_code == 202
    assert client.post("/events", content=content).status_code == 202


def test_any_id_comes_through_body_and_path(client: TestClient, subtests: pytest.Subtests) -> None:
    for key in NASTY_IDS:
        with subtests.test(key=key):
            event = LOAN | {"student_id": key, "book_id": key, "checkout_id": key}
            assert client.post("/events", json=event).status_code == 202
            assert rows("SELECT book_id FROM checkouts WHERE student_id = %s", key) == [(key,)]
            path = f"/students/{quote(key, safe='')}"
            for answer in (client.get(path), client.get(f"{path}/neighbors")):
                assert (answer.status_code, answer.json()["student_id"]) == (200, key)
            answer = client.post(f"{path}/recompute")
            assert answer.status_code == 202
            (effect,) = client.get(f"/events/{answer.json()['event_id']}").json()["effects"]
            assert effect["key"] == key


def test_the_chain_of_an_event_names_what_it_made_stale(client: TestClient) -> None:
    event_id = client.post("/events", json=LOAN).json()["event_ids"][0]
    chain = client.get(f"/events/{event_id}").json()
    assert chain.pop("received_at").endswith("Z")
    effect = {"kind": "student_embedding", "key": "S1", "state": "stale"}
    assert chain == {
        "event_id": event_id,
        "event_type": "checkout_added",
        "effects": [effect | {"done_at": None, "error": None}],
    }
    assert stale() == {"S1"}


def test_an_event_that_is_not_known_or_no_uuid_is_answered_so(client: TestClient) -> None:
    answer = client.get(f"/events/{uuid4()}")
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_event")
    answer = client.get("/events/first")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": ["event_id"], "msg": "not a UUID"}]
