"""The OpenAPI document is sound, and the answers are what it says."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from api import OPERATIONS
from routes.api.events import BODY as EVENTS
from tests.library import borrowed, change, fact, record, student
from tests.platform import acted, recompute_all
from tests.work_off import work_off
from workers.students.recompute import recompute_student

pytestmark = pytest.mark.slow

Json = dict[str, Any]


@pytest.fixture
def document(client: TestClient) -> Json:
    answer = client.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    body: Json = answer.json()
    return body


def inside(value: object) -> Iterator[Json]:
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from inside(each)
    elif isinstance(value, list):
        for each in value:
            yield from inside(each)


def described(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def valid(document: Json, schema: Json, value: object) -> None:
    """Check a value; references in the schema are into the document."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    whole["components"] = document["components"]
    jsonschema.Draft202012Validator.check_schema(whole)
    checker = jsonschema.FormatChecker(["uuid", "date"])
    jsonschema.Draft202012Validator(whole, format_checker=checker).validate(value)


def test_every_operation_is_described_once_with_a_name_of_its_own(document: Json) -> None:
    found = [(path, method) for path, method, _ in described(document)]
    assert found == [(each.path, each.method) for each in OPERATIONS]
    names = [operation["operationId"] for _, _, operation in described(document)]
    assert len(set(names)) == len(names)


def test_every_reference_leads_to_a_schema_and_every_schema_is_sound(document: Json) -> None:
    schemas = document["components"]["schemas"]
    references = {each["$ref"] for each in inside(document) if isinstance(each.get("$ref"), str)}
    assert references
    for reference in references:
        prefix, _, name = reference.rpartition("/")
        assert prefix == "#/components/schemas"
        assert name in schemas
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_paths_keys_and_bodies_are_described(document: Json) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"].keys() >= {"title", "version"}
    for path, method, operation in described(document):
        in_path = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        assert in_path == re.findall(r"{(\w+)}", path)
        assert operation["summary"]
        role = operation["x-role"]
        assert operation["security"] == ([] if role == "open" else [{"key": []}])
        assert ("401" in operation["responses"]) == (role != "open")
        assert any(status.startswith("2") for status in operation["responses"])
        if method == "GET":
            assert "requestBody" not in operation
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    body = document["paths"]["/events"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "application/x-ndjson"}


def test_the_body_of_events_is_described_as_it_is_validated(document: Json) -> None:
    schema = document["paths"]["/events"]["post"]["requestBody"]["content"]["application/json"]
    event = {"event_type": "checkout_added", "student_id": "S1", "book_id": "B1"}
    valid(document, schema["schema"], event | {"checkout_date": "2026-03-01"})
    valid(document, schema["schema"], {"events": [event | {"checkout_date": "2026-03-01"}]})
    for wrong in (event, event | {"checkout_date": "soon"}, event | {"event_type": "x"}, {}):
        with pytest.raises(jsonschema.ValidationError):
            valid(document, schema["schema"], wrong)


def test_what_a_path_may_name_is_described(document: Json) -> None:
    schemas = {
        each["name"]: each["schema"]
        for _, _, operation in described(document)
        for each in operation["parameters"]
    }
    assert schemas["event_id"]["format"] == schemas["run_id"]["format"] == "uuid"
    assert schemas["table"]["enum"] == ["catalog", "students", "checkouts"]
    assert (schemas["cursor"], schemas["limit"]["type"]) == ({"type": "string"}, "integer")
    valid(document, schemas["student_id"], "S/1 Ä")
    for wrong in ("", "x" * 201, "a\nb", "\x85"):
        with pytest.raises(jsonschema.ValidationError):
            valid(document, schemas["student_id"], wrong)


def test_every_bound_of_an_event_is_described_and_so_is_what_is_taken_for_something_else(
    document: Json,
) -> None:
    schema = document["paths"]["/events"]["post"]["requestBody"]["content"]["application/json"]
    student: Json = {"event_type": "student_added", "student_id": "S1"}
    book: Json = {"event_type": "book_added", "book_id": "B1", "title": "One"}
    for right in (
        student | {"lunch_period": 2, "prior_year_reading_score": 1000},
        book | {"genre": None, "keywords": None, "reading_level": 20, "average_rating": 5},
        {"events": [student]},
    ):
        EVENTS.validate_python(right)
        valid(document, schema["schema"], right)
    wrongs: list[Json] = [
        student | {"prior_year_reading_score": 1001},
        student | {"prior_year_reading_score": -1},
        student | {"homeroom_teacher": "\0"},
        book | {"reading_level": 20.5},
        book | {"average_rating": -0.5},
        book | {"title": " \t"},
        book | {"genre": ["a"] * 101},
        {"events": []},
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError):
            EVENTS.validate_python(wrong)
        with pytest.raises(jsonschema.ValidationError):
            valid(document, schema["schema"], wrong)


def test_every_answer_has_a_request_id_and_one_without_a_key_says_which_kind_is_wanted(
    document: Json,
) -> None:
    for _, _, operation in described(document):
        for status, response in operation["responses"].items():
            expected = {"X-Request-ID", *(["WWW-Authenticate"] if status == "401" else [])}
            assert set(response["headers"]) == expected


def test_a_process_that_is_not_ready_says_so_in_the_words_of_one_that_is(document: Json) -> None:
    responses = document["paths"]["/health/ready"]["get"]["responses"]
    assert responses["503"]["content"] == responses["200"]["content"]


def test_a_body_with_either_of_two_fields_is_described_as_such(document: Json) -> None:
    operation = document["paths"]["/documents/precompute"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    for right in ({"mode": "all"}, {"doc_ids": ["D1"]}):
        valid(document, schema, right)
    for wrong in ({}, {"mode": None}, {"mode": "all", "doc_ids": ["D1"]}):
        with pytest.raises(jsonschema.ValidationError):
            valid(document, schema, wrong)


def library() -> str:
    """Students in every state, one of them with neighbours; returns the id of an event."""
    record(
        fact("book_added", book_id="B1", title="One", genre=["fantasy"], reading_level=3.5),
        student("S3"),
    )
    event_ids = record(borrowed("S1"), borrowed("S2")).event_ids
    recompute_student("S1")
    work_off(record(fact("post_added", post_id="B", text="a fox"), acted("S1", "B")).notifications)
    recompute_all()
    change("INSERT INTO student_similarity (a, b, sim) VALUES ('S1', 'S2', 0.5)")
    record(student("S2", age=9), student("S4"))
    change("UPDATE freshness SET dead_at = now(), error = 'no' WHERE key = 'S2'")
    return str(event_ids[0])


def test_the_answers_of_every_get_route_are_what_the_document_says(
    client: TestClient, document: Json, subtests: pytest.Subtests
) -> None:
    event_id = library()
    for path, method, operation in described(document):
        if method != "GET":
            continue
        keys = ("S1", "S2", "S4", "nobody", event_id, "00000000-0000-0000-0000-000000000000")
        for key in (*keys, "live", "refresh_students"):
            filled = re.sub(r"{\w+}", key, path)
            with subtests.test(path=filled):
                answer = client.get(filled)
                content = operation["responses"][str(answer.status_code)]["content"]
                media_type = answer.headers["content-type"].partition(";")[0]
                assert media_type in content
                if media_type != "text/plain":
                    valid(document, content[media_type]["schema"], answer.json())
            if filled == path:
                break


def test_the_answers_of_the_writing_routes_are_what_the_document_says(
    client: TestClient, document: Json
) -> None:
    library()
    header = b"student_id,grade_level,age,homeroom_teacher,prior_year_reading_score,lunch_period\n"
    for path, filled, content, status in (
        ("/events", "/events", b'{"event_type": "student_added", "student_id": "S9"}', 202),
        ("/events", "/events", b"{", 400),
        ("/events", "/events", b"{}", 422),
        ("/events", "/events", b" " * 11_000_000, 413),
        ("/import/{table}", "/import/students", header + b"S9,,,,,\nS9,x,,,,\n", 200),
        ("/import/{table}", "/import/students", b"x,y\n", 422),
        ("/import/{table}", "/import/teachers", header, 404),
        ("/students/{student_id}/recompute", "/students/S1/recompute", b"", 202),
        ("/students/{student_id}/recompute", "/students/S99/recompute", b"", 404),
        ("/users/recompute", "/users/recompute", b"{}", 202),
        ("/users/recompute", "/users/recompute", b"{}", 409),
        ("/users/recompute", "/users/recompute", b'{"user_ids": ["S1"]}', 202),
        ("/users/recompute", "/users/recompute", b'{"user_ids": ["S99"]}', 404),
    ):
        answer = client.post(filled, content=content)
        assert answer.status_code == status
        responses = document["paths"][path]["post"]["responses"]
        ((media_type, described_as),) = responses[str(status)]["content"].items()
        assert media_type == answer.headers["content-type"]
        valid(document, described_as["schema"], answer.json())


def test_the_page_shows_every_operation_and_needs_nothing_from_elsewhere(
    client: TestClient, document: Json
) -> None:
    page = client.get("/docs").text
    for path, _, operation in described(document):
        assert f"<code>{path}</code>" in page
        assert operation["x-role"] in page
    assert re.findall(r"""(?:src|href)=["'](?!/openapi\.json|/static/|\#)""", page) == []
    assert "http" not in re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(document["components"]["schemas"])
