"""POST /events under made-up bodies: 202 and everything stored once, or 4xx and nothing stored."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.facts_model import Facts
from tests.fuzzing import fuzz
from tests.library import change, rows
from tests.work_off import work_off
from workers.core.vocabulary import Kind
from workers.jobs.runs import RunKind, create_run
from workers.ledger.freshness import Notification
from workers.neighbors.update import forget_graph
from workers.users.runs import recompute_users

pytestmark = pytest.mark.slow

Json = dict[str, Any]

TABLES = (
    *("students", "books", "checkouts", "events", "effects", "freshness", "attempts"),
    *("student_embeddings", "student_similarity", "posts", "users", "action_log"),
    *("post_embeddings", "post_engagement", "user_embeddings"),
)
STUDENTS = ["S1", "S2", "S/ 3", "%53", "Ä🦊\u2028", "'; --", "x" * 200]
BOOKS = ["B1", "B2", "B?3#"]
LOANS = ["C1", "C2"]
POSTS = ["P1", "P/2"]
USERS = ["U1", "S1"]
TIMES = ["2026-03-01T12:00:00Z", "0002-01-01T00:00:00Z", "2026-03-01T12:00:00.123456-11:30"]
# Before all that Python can tell in UTC, and not come yet.
WRONG_TIMES = [
    *("0001-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"),
    *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"),
]
DATES = ["0001-01-01", "2024-02-29", "2026-03-01", "9999-12-31"]
EVENT_IDS = [str(UUID(int=number)) for number in range(1, 7)]

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
nothing = st.none()
rating = st.integers(1, 5) | nothing


def an_event(event_type: str, required: Json, optional: Json) -> st.SearchStrategy[Json]:
    """One of a type, in a third of the cases with an id that another one may have, too."""
    return st.fixed_dictionaries(
        {"event_type": st.just(event_type), **required},
        optional={"event_id": st.sampled_from(EVENT_IDS), **optional},
    )


def in_order(event: Json) -> bool:
    return bool((event.get("return_date") or "9999-12-31") >= event["checkout_date"])


student_id = {"student_id": st.sampled_from(STUDENTS)}
book_id = {"book_id": st.sampled_from(BOOKS)}
loan = {**student_id, **book_id, "checkout_date": st.sampled_from(DATES)}
student = {
    "grade_level": st.integers(-1, 13) | nothing,
    "age": st.integers(2, 120) | nothing,
    "homeroom_teacher": text | nothing,
    "prior_year_reading_score": st.sampled_from([0, 2.5, 1000]) | nothing,
    "lunch_period": text | nothing,
}
book = {
    "author": text | nothing,
    "isbn": text | nothing,
    "genre": st.lists(text.filter(bool), max_size=2),
    "keywords": st.lists(text.filter(bool), max_size=2),
    "description": text | nothing,
    "page_count": st.integers(0, 100_000) | nothing,
    "publication_year": st.integers(-3000, 3000) | nothing,
    "difficulty_band": st.sampled_from(["beginner", "high_school"]) | nothing,
    "reading_level": st.sampled_from([0, 2.5, 20]) | nothing,
    "average_rating": st.sampled_from([0, 2.5, 5]) | nothing,
    "language": st.sampled_from(["en", "pt-br"]) | nothing,
    "series": text | nothing,
    "series_number": st.sampled_from([0, 1.5, 10_000]) | nothing,
    "copies_available": st.sampled_from([0, 2]) | nothing,
    "cover_url": st.just("https://covers.example/1.jpg") | nothing,
}
events = st.one_of(
    an_event("student_added", student_id, student),
    an_event("student_updated", student_id, student),
    an_event("student_deleted", student_id, {}),
    an_event("book_added", {**book_id, "title": text.filter(str.strip).map(str.strip)}, book),
    an_event("book_deleted", book_id, {}),
    an_event(
        "checkout_added",
        loan,
        {
            "return_date": st.sampled_from(DATES) | nothing,
            "student_rating": rating,
            "checkout_id": st.sampled_from(LOANS) | nothing,
        },
    ).filter(in_order),
    an_event(
        "checkout_returned",
        {**loan, "return_date": st.sampled_from(DATES)},
        {"student_rating": rating},
    ).filter(in_order),
)
post_id = {"post_id": st.sampled_from(POSTS)}
user_id = {"user_id": st.sampled_from(USERS)}
created = {"created_at": st.sampled_from(TIMES) | nothing}
others = st.one_of(
    # With a word: the hashing embedder has no vector for signs alone, and such a post goes dead.
    an_event("post_added", post_id | {"text": text.map("word {}".format)}, created),
    an_event("post_updated", post_id | {"embedding": st.just([0.5] * 384)}, created),
    an_event("post_deleted", post_id, {}),
    an_event(
        "user_action",
        {**user_id, **post_id, "action": st.sampled_from(["like_post", "hide_post"])},
        created,
    ),
    an_event("user_deleted", user_id, {}),
)
lists = st.lists(events | others, min_size=1, max_size=8)
wrong_values = st.sampled_from(
    [
        *(None, True, -1, 1e400, "", " ", "\0", "\x85", "x" * 10_001, "9999-99-99", "NaN"),
        *([], {}, [[]], *WRONG_TIMES),
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["events", "event_type", "event_id", "student_id"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


def contents() -> dict[str, str]:
    """A digest of everything that is stored."""
    return {
        table: rows(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")[0][0]
        for table in TABLES
    }


def logged() -> int:
    ((count,),) = rows("SELECT count(*) FROM events")
    return int(count)


def empty() -> None:
    change(f"TRUNCATE {', '.join(TABLES)}, graph_changes CASCADE")
    forget_graph()


@contextmanager
def nothing_is_stored() -> Iterator[None]:
    before = contents()
    yield
    assert contents() == before


def as_lines(sent: list[Json]) -> str:
    return "\n".join(json.dumps(each) for each in sent)


def post(client: TestClient, sent: list[Json], *, lines: bool) -> Any:
    if lines:
        headers = {"content-type": "application/x-ndjson"}
        return client.post("/events", content=as_lines(sent), headers=headers)
    return client.post("/events", content=json.dumps({"events": sent}))


def everything_becomes_fresh(client: TestClient) -> None:
    """The workers cope with whatever was accepted, and so do the pages about it."""
    stale = rows("SELECT kind, key FROM freshness WHERE wanted > done")
    work_off(Notification(Kind(kind), key) for kind, key in stale)
    recompute_users(create_run(RunKind.recompute_users))
    found = rows("SELECT kind, key, wanted - done, error FROM freshness")
    assert [row for row in found if row[2:] != (0, None)] == []
    for (key,) in rows("SELECT student_id FROM students"):
        path = f"/students/{quote(key, safe='')}"
        assert client.get(path).status_code == client.get(f"{path}/neighbors").status_code == 200
    for (key,) in rows("SELECT user_id FROM users"):
        assert client.get(f"/users/{quote(key, safe='')}/recommendations").status_code == 200


def count_in(form: str, client: TestClient, sent: list[Json]) -> tuple[int, int]:
    """How many events were accepted, and how many known."""
    if form == "one by one":
        answers = [client.post("/events", content=json.dumps(each)) for each in sent]
    else:
        answers = [post(client, sent, lines=form == "lines")]
    assert {answer.status_code for answer in answers} == {202}, answers[-1].text
    bodies = [answer.json() for answer in answers]
    return sum(body["accepted"] for body in bodies), sum(body["duplicates"] for body in bodies)


@fuzz(60)
@given(
    posts=st.lists(
        st.tuples(lists, st.sampled_from(["list", "lines", "one by one"])), min_size=1, max_size=3
    )
)
def test_accepted_events_are_stored_once_and_become_fresh(
    client: TestClient, posts: list[tuple[list[Json], str]]
) -> None:
    empty()
    model = Facts()
    for sent, form in posts:
        known = logged()
        counted = count_in(form, client, sent)
        new = model.tell(sent)
        assert counted == (new, len(sent) - new)
        assert logged() == known + new
        assert Facts.stored() == model
        ledger = rows("SELECT key FROM freshness WHERE kind = %s", Kind.student_embedding)
        assert {key for (key,) in ledger} == set(model.students)
        everything_becomes_fresh(client)
        if all("event_id" in each for each in sent):
            note("sent twice")
            with nothing_is_stored():
                assert count_in("lines", client, sent) == (0, len(sent))


@fuzz(150)
@given(
    sent=lists,
    place=st.integers(0, 7),
    field=st.sampled_from(["event_id", "event_type", "student_id", "book_id", "title"])
    | st.sampled_from(["checkout_date", "return_date", "student_rating", "genre", "age", "x"])
    | st.sampled_from(["post_id", "user_id", "text", "embedding", "action", "created_at"]),
    value=wrong_values,
    lines=st.booleans(),
)
def test_a_list_with_one_event_that_is_wrong_is_refused_whole_or_accepted_whole(
    client: TestClient, sent: list[Json], place: int, field: str, value: object, *, lines: bool
) -> None:
    """Not every wrong value is wrong in every field, so the answer decides what is expected."""
    empty()
    sent = [dict(each) for each in sent]
    sent[place % len(sent)][field] = value
    before = contents()
    answer = post(client, sent, lines=lines)
    note(str(answer.status_code))
    if answer.status_code == 202:
        assert logged() == answer.json()["accepted"]
        everything_becomes_fresh(client)
        return
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert contents() == before


garbage = st.one_of(
    st.binary(max_size=40),
    st.builds(json.dumps, json_values).map(str.encode),
    st.builds(
        lambda sent, start, length, noise: sent[:start] + noise + sent[start + length :],
        st.builds(lambda sent: json.dumps({"events": sent}).encode(), lists)
        | st.builds(lambda sent: as_lines(sent).encode(), lists),
        st.integers(0, 300),
        st.integers(0, 20),
        st.binary(max_size=6) | st.sampled_from([b"\\ud800", b"\\u0000", b"[" * 5000, b"\r\n\n"]),
    ),
)


@fuzz(400)
@given(
    body=garbage,
    content_type=st.sampled_from(
        ["application/json", "application/x-ndjson", "", "application/json; charset=latin-1", "/"]
    ),
)
def test_garbage_is_refused_and_leaves_nothing(
    client: TestClient, body: bytes, content_type: str
) -> None:
    known = logged()
    before = contents()
    answer = client.post("/events", content=body, headers={"content-type": content_type})
    note(str(answer.status_code))
    if answer.status_code == 202:  # it can happen that garbage makes sense
        assert logged() == known + answer.json()["accepted"]
        return
    assert answer.status_code in (400, 415, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert contents() == before
