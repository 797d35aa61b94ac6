"""The page of readers without an account: nothing is kept unasked, everything goes at a click."""

import logging
import re
from html import unescape
from typing import Any

import pytest
from starlette.testclient import TestClient

from routes.library.reader import COOKIE
from tests.library import book, record, rows
from tests.lists import MISSPELT, TWENTY, open_library

pytestmark = pytest.mark.slow

KEPT = "SELECT (SELECT count(*) FROM readers), (SELECT count(*) FROM reader_verdicts)"


@pytest.fixture
def reader(keyed: TestClient) -> TestClient:
    """Somebody without a key before a library of a hundred and twenty known books."""
    open_library()
    return keyed


def send(client: TestClient, path: str = "/reader", **fields: Any) -> tuple[int, str]:
    """Post a form as a browser does, with its file if there is one."""
    file = fields.pop("file", b"")
    files = {"file": ("list.csv", file, "text/csv")}
    answer = client.post(path, data=fields, files=files)
    return answer.status_code, answer.text


def cards(text: str) -> list[str]:
    """The titles on the cards."""
    inner = text.partition('<ol class="cards">')[2].partition("</ol>")[0]
    return [unescape(title) for title in re.findall(r"<h3>(.*?)</h3>", inner)]


def state(text: str) -> dict[str, Any]:
    """What the form of a list that is not kept brings back."""
    books = text.partition('aria-label="Your list">')[2].partition("</textarea>")[0]
    hidden = re.findall(r'<input type="hidden" name="(liked|disliked)" value="(.*?)">', text)
    fields: dict[str, list[str]] = {}
    for name, value in hidden:
        fields.setdefault(name, []).append(value)
    return {"books": unescape(books).lstrip("\n"), **fields}


def id_of(title: str) -> str:
    ((book_id,),) = rows("SELECT book_id FROM books WHERE title = %s", title)
    return str(book_id)


def test_twenty_pasted_titles_bring_ten_books_and_leave_nothing_behind(
    reader: TestClient,
) -> None:
    status, text = send(reader, list=TWENTY)
    assert status == 200
    assert "20 of the 20 titles on your list are in this library" in text
    assert len(set(cards(text))) == 10
    assert all(title in unescape(text) for title in MISSPELT)
    assert not MISSPELT & set(cards(text))
    assert text.count('class="why"') >= 10
    assert reader.cookies.get(COOKIE) is None
    assert rows(KEPT) == [(0, 0)]


def test_what_is_said_of_a_book_counts_though_nothing_is_kept(reader: TestClient) -> None:
    _, text = send(reader, list=TWENTY)
    first, second, *_ = cards(text)
    _, text = send(reader, **state(text), disliked=id_of(first))
    assert first not in cards(text)
    given = state(text)
    _, text = send(reader, **given, liked=id_of(second))
    assert not {first, second} & set(cards(text))
    assert f"also read and liked {second}" in unescape(text)
    assert len(cards(text)) == 10
    assert rows(KEPT) == [(0, 0)]


def test_a_list_that_is_kept_comes_back_with_its_code_and_its_verdicts(
    reader: TestClient,
) -> None:
    _, text = send(reader, list=TWENTY)
    liked = cards(text)[0]
    status, _ = send(reader, **state(text), liked=id_of(liked), keep="yes")
    assert status == 303
    assert rows(KEPT) == [(1, 1)]
    text = reader.get("/reader").text
    code = text.partition('<code class="code">')[2].partition("</code>")[0]
    assert len(code.replace("-", "")) == 32
    assert len(cards(text)) == 10
    assert liked not in cards(text)
    disliked = cards(text)[0]
    assert send(reader, disliked=id_of(disliked))[0] == 303
    assert disliked not in cards(reader.get("/reader").text)
    assert send(reader, "/reader/leave")[0] == 303
    assert cards(reader.get("/reader").text) == []
    assert send(reader, "/reader/open", code=f" {code.upper()} ")[0] == 303
    assert disliked not in cards(reader.get("/reader").text)
    assert rows(KEPT) == [(1, 2)]


def test_deleting_leaves_neither_rows_nor_a_cookie(reader: TestClient) -> None:
    send(reader, list="Momo\nUnknown Tale\n", keep="yes")
    assert rows(KEPT) == [(1, 0)]
    answer = reader.post("/reader/delete", files={"x": ("", b"")})
    assert answer.status_code == 303
    assert rows(KEPT) == [(0, 0)]
    assert rows("SELECT FROM reader_books") == []
    assert reader.cookies.get(COOKIE) is None
    assert "is deleted" in reader.get(answer.headers["location"]).text


def test_a_file_and_lines_are_one_list(reader: TestClient) -> None:
    _, text = send(reader, list="Momo", file=b"title,rating\nEragon,1\n,\n")
    assert "Momo" in text
    assert "Eragon" in text
    assert "2 of the 2 titles" in text


@pytest.mark.parametrize(
    "fields", [{}, {"list": " \n"}, {"file": b"\0\1\2"}, {"list": "a\n" * 5001}]
)
def test_what_is_no_list_is_refused_beside_the_form(
    reader: TestClient, fields: dict[str, Any]
) -> None:
    status, text = send(reader, **fields)
    assert status == 422
    assert 'role="alert">Not read: ' in text
    assert '<textarea id="list"' in text


def test_pages_of_other_sites_and_broken_forms_are_refused(reader: TestClient) -> None:
    elsewhere = {"origin": "http://evil.example"}
    for path in ("/reader", "/reader/open", "/reader/leave", "/reader/delete"):
        answer = reader.post(path, files={"list": (None, "Momo")}, headers=elsewhere)
        assert answer.status_code == 403
        assert reader.post(path, data={"list": "Momo"}).status_code == 415
        broken = {"content-type": "multipart/form-data; boundary=x"}
        assert reader.post(path, content=b"--x\r\nnothing", headers=broken).status_code == 400


def test_a_code_that_opens_nothing_is_said_to(reader: TestClient) -> None:
    assert send(reader, "/reader/open", code="abc")[0] == 303
    assert "no list of this code" in reader.get("/reader?said=unknown").text
    reader.cookies.set(COOKIE, "abc")
    answer = reader.get("/reader")
    assert answer.status_code == 200
    assert "no list of this code" in answer.text


def test_what_somebody_wrote_is_no_markup_and_in_no_log_line(
    reader: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    record(book("X1", "<script>alert(2)</script>", author="<b>"))
    hostile = "<script>alert(1)</script>\n</textarea><script>alert(3)</script>\n"
    _, text = send(reader, list=hostile)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    logged = "".join(repr(vars(line)) for line in caplog.records)
    assert "/reader" in logged
    assert "alert(" not in logged


def test_a_device_whose_list_was_deleted_on_another_one_begins_anew(
    reader: TestClient,
) -> None:
    send(reader, list=TWENTY, keep="yes")
    here = dict(reader.cookies)
    send(reader, "/reader/delete")
    reader.cookies.set(COOKIE, here[COOKIE], path="/reader")
    assert send(reader, list=TWENTY)[0] == 200
    forgotten = reader.get("/reader").headers["set-cookie"]
    assert "Max-Age=0" in forgotten
    assert "Path=/reader" in forgotten
