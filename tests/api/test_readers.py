"""Readers without an account over HTTP: a code opens a list, and nothing else does."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from routes.http.strangers import WRITES
from tests.embeddings_server import EmbeddingsServer
from tests.library import change, rows
from tests.lists import MISSPELT, TWENTY, open_library
from workers.readers.listed import MAX_BYTES
from workers.readers.store import forget_unused

pytestmark = pytest.mark.slow

TABLES = """SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"""


@pytest.fixture
def readers(client: TestClient) -> TestClient:
    """The API of a library of a hundred and twenty known books."""
    open_library()
    return client


def begin(client: TestClient) -> str:
    answer = client.post("/readers")
    assert (answer.status_code, answer.json()["kept_days"]) == (201, 30)
    code: str = answer.json()["code"]
    return code


def put(
    client: TestClient, code: str, text: str | bytes, kind: str = "text/plain"
) -> dict[str, Any]:
    answer = client.put(f"/readers/{code}/books", content=text, headers={"content-type": kind})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def titles_of(items: list[dict[str, Any]]) -> list[str]:
    return [item["title"] for item in items]


def holding(needle: str) -> list[str]:
    """The tables with a row that holds a text anywhere."""
    return [
        table
        for (table,) in rows(TABLES)
        if rows(f"SELECT FROM {table} AS t WHERE t::text ILIKE %s LIMIT 1", f"%{needle}%")
    ]


def test_twenty_titles_of_which_five_have_errors_are_found_and_bring_ten_others(
    readers: TestClient,
) -> None:
    code = begin(readers)
    found = put(readers, code, TWENTY)
    assert (found["listed"], found["matched"]) == (20, 20)
    names = dict(rows("SELECT book_id, title FROM books"))
    matched = {names[book["book_id"]] for book in found["books"]}
    assert matched >= MISSPELT
    answer = readers.get(f"/readers/{code}/recommendations").json()
    assert len(set(titles_of(answer["items"]))) == 10
    assert not set(titles_of(answer["items"])) & matched
    assert all(item["reasons"] and item["reason"] for item in answer["items"])
    assert any("which you read" in item["reason"] for item in answer["items"])
    assert (answer["listed"], answer["matched"]) == (20, 20)
    assert "no_loans" not in answer["degraded"]


def test_a_list_as_json_counts_ratings_and_takes_the_place_of_the_one_before(
    readers: TestClient,
) -> None:
    code = begin(readers)
    put(readers, code, TWENTY)
    books = [{"title": "Momo", "rating": 5.0}, {"title": "Eragon", "isbn": "x", "rating": 1}]
    answer = readers.put(f"/readers/{code}/books", json=books)
    assert (answer.json()["listed"], answer.json()["matched"]) == (2, 2)
    stored = "SELECT title, rating FROM reader_books ORDER BY place"
    assert rows(stored) == [("Momo", 5), ("Eragon", 1)]
    items = readers.get(f"/readers/{code}/recommendations?limit=30").json()["items"]
    assert len(items) == 30
    assert not {"Momo", "Eragon"} & set(titles_of(items))


def test_titles_that_the_library_lacks_count_by_what_they_are_about(readers: TestClient) -> None:
    taste = {}
    for words in ("dragons and riders of dragons", "a detective solves a murder mystery"):
        code = begin(readers)
        assert put(readers, code, f"{words}\n")["matched"] == 0
        answer = readers.get(f"/readers/{code}/recommendations?limit=5").json()
        taste[words] = titles_of(answer["items"])
        assert "titles_not_embedded" not in answer["degraded"]
    first, second = taste.values()
    assert "Dragon" in " ".join(first)
    assert first != second
    made = rows("SELECT elsewhere_of FROM readers ORDER BY reader_id")
    assert len(set(made)) == 2
    assert None not in [digest for (digest,) in made]


def test_a_provider_gets_the_titles_that_are_not_here_and_nothing_else_once(
    client: TestClient, embeddings_server: EmbeddingsServer
) -> None:
    code = begin(client)
    lines = b"title,author,isbn,my review\nUnknown Tale,Ann Secret,9780000000019,loved it\n"
    put(client, code, lines, "text/csv")
    for _ in range(2):
        client.get(f"/readers/{code}/recommendations")
    assert embeddings_server.requests == [["Unknown Tale"]]


def test_without_its_provider_a_list_goes_by_the_other_titles_and_says_so(
    client: TestClient, configure: Callable[..., None]
) -> None:
    configure(OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    code = begin(client)
    put(client, code, "Unknown Tale\n")
    answer = client.get(f"/readers/{code}/recommendations")
    assert answer.status_code == 200
    assert "titles_not_embedded" in answer.json()["degraded"]


def test_a_code_has_160_bits_and_only_its_hash_is_stored(client: TestClient) -> None:
    code = begin(client)
    assert len(code) == 32
    assert set(code) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert holding(code) == []
    spaced = "-".join(code[start : start + 4] for start in range(0, 32, 4)).upper()
    assert client.get(f"/readers/{spaced}/recommendations").status_code == 200


def test_nothing_is_known_of_another_code(client: TestClient) -> None:
    begin(client)
    for method, path in (
        ("PUT", "/readers/abc/books"),
        ("GET", "/readers/abc/recommendations"),
        ("DELETE", "/readers/abc"),
        ("GET", "/readers/%00/recommendations"),
        ("GET", f"/readers/{'x' * 2000}/recommendations"),
    ):
        answer = client.request(method, path, content=b"Momo" if method == "PUT" else None)
        assert answer.status_code == 404, path
        assert answer.json()["reason"] == "unknown_reader"
        assert "abc" not in answer.text


def test_a_deleted_list_leaves_nothing_in_any_table(readers: TestClient) -> None:
    before = {table: rows(f"SELECT count(*) FROM {table}") for (table,) in rows(TABLES)}
    code = begin(readers)
    put(readers, code, TWENTY + "Quizzical Xylophones\n")
    readers.get(f"/readers/{code}/recommendations")
    assert holding("Quizzical Xylophones") == ["public.reader_books"]
    assert readers.delete(f"/readers/{code}").json() == {"deleted": True}
    assert holding("Quizzical Xylophones") == []
    after = {table: rows(f"SELECT count(*) FROM {table}") for (table,) in rows(TABLES)}
    assert after == before
    assert readers.delete(f"/readers/{code}").status_code == 404


def test_a_list_is_gone_after_thirty_days_without_use(readers: TestClient) -> None:
    unused, used = begin(readers), begin(readers)
    for code in (unused, used):
        put(readers, code, "Momo\nUnknown Tale\n")
    change("UPDATE readers SET used_at = now() - interval '29 days 23 hours'")
    assert readers.get(f"/readers/{used}/recommendations").status_code == 200
    change("UPDATE readers SET used_at = used_at - interval '2 hours'")
    assert readers.get(f"/readers/{unused}/recommendations").status_code == 404
    assert forget_unused() == 1
    assert rows("SELECT count(*) FROM readers") == [(1,)]
    assert rows("SELECT count(DISTINCT reader_id) FROM reader_books") == [(1,)]
    assert readers.get(f"/readers/{used}/recommendations").status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "text/plain", 422),
        (b"\0\1", "text/csv", 422),
        (b"x" * (MAX_BYTES + 1), "text/plain", 422),
        (b"Momo\n" * 5001, "text/plain", 422),
        (b"[]", "application/json", 422),
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b'[{"title": ""}]', "application/json", 422),
        (b'[{"title": "Momo", "rating": 9}]', "application/json", 422),
        (b'[{"title": "Momo", "rating": 4.5}]', "application/json", 422),
        (b'[{"title": "Momo", "rating": "5"}]', "application/json", 422),
        (b'[{"title": "Momo", "rating": true}]', "application/json", 422),
        (b'[{"title": "Momo", "secret": "x"}]', "application/json", 422),
        (b"Momo", "application/pdf", 415),
    ],
)
def test_what_is_no_list_is_refused(
    client: TestClient, body: bytes, kind: str, status: int
) -> None:
    path = f"/readers/{begin(client)}/books"
    answer = client.put(path, content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert rows("SELECT FROM reader_books") == []


def test_neither_code_nor_titles_stand_in_a_log_line(
    readers: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    code = begin(readers)
    put(readers, code, "Momo\nQuizzical Xylophones\n")
    readers.get(f"/readers/{code}/recommendations")
    readers.get(f"/readers/{code}/nothing")
    readers.delete(f"/readers/{code}")
    logged = "".join(repr(vars(line)) for line in caplog.records)
    assert "/readers/{code}/books" in logged
    assert code not in logged
    assert "Quizzical" not in logged


def test_an_address_that_asks_too_often_is_refused_and_another_is_not(
    client: TestClient,
) -> None:
    def ask(address: str) -> int:
        headers = {"x-forwarded-for": address}
        return client.put("/readers/abc/books", content=b"Momo", headers=headers).status_code

    statuses = [ask("203.0.113.7") for _ in range(WRITES.amount + 1)]
    assert statuses == [404] * WRITES.amount + [429]
    assert ask("203.0.113.8") == 404
