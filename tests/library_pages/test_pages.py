"""What holds for all of the library's pages: roles, headers, names, nothing taken for a page."""

import doctest
import importlib
import logging
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from routes.library.acts import PREFIX
from routes.library.views import ACTS, DOWNLOADS, PAGES
from tests.api.test_access import HOMEROOM, SECRETS
from tests.console.session import log_in, token
from tests.library import change, rows
from tests.library_pages.school import IMPORT_ID, OTHER
from workers.core.api_keys import Role

HOSTILE = "<script>alert(1)</script>"
ROOM = Path(__file__).parents[2] / "routes" / "library"


def filled(path: str, homeroom: str = HOMEROOM, student_id: str = "S0") -> str:
    path = path.replace("{teacher}", quote(homeroom, safe=""))
    path = path.replace("{import_id}", str(IMPORT_ID)).replace("{version}", "0")
    return path.replace("{student_id}", student_id).replace("{book_id}", "B00")


def test_every_page_and_file_needs_a_login_and_shows_itself_to_its_role(
    school: TestClient, subtests: pytest.Subtests
) -> None:
    for each in (*PAGES, *DOWNLOADS):
        path = filled(each.path)
        with subtests.test(path=path):
            school.cookies.clear()
            answer = school.get(path)
            assert answer.status_code == 303
            assert answer.headers["location"] == f"/login?next={quote(path, safe='')}"
            for role in Role:
                log_in(school, role)
                answer = school.get(path)
                assert answer.status_code == (200 if role.includes(each.role) else 403), role


def test_every_act_is_for_its_role_and_needs_the_token_of_its_session(
    school: TestClient, subtests: pytest.Subtests
) -> None:
    for act in ACTS:
        path = PREFIX + filled(act.path)
        with subtests.test(path=path):
            school.cookies.clear()
            assert school.post(path).headers.get("location") == "/login"
            for role in Role:
                log_in(school, role)
                assert school.post(path, data={"token": "x"}).status_code == 403
                given = {"token": token(school)}
                elsewhere = {"origin": "http://evil.example"}
                assert school.post(path, data=given, headers=elsewhere).status_code == 403
                answer = school.post(path, data=given)
                assert answer.status_code == (303 if role.includes(act.role) else 403), role


def test_a_teacher_finds_no_child_and_no_class_of_another(
    teacher: TestClient, subtests: pytest.Subtests
) -> None:
    paths = [each.path for each in (*PAGES, *DOWNLOADS)]
    scoped = [path for path in paths if "{student_id}" in path or "{teacher}" in path]
    assert len(scoped) >= 4
    for path in scoped:
        with subtests.test(path=path):
            assert teacher.get(filled(path)).status_code == 200
            assert teacher.get(filled(path, OTHER, "S1")).status_code == 404
    acts = [act.path for act in ACTS if "{student_id}" in act.path]
    before = rows("SELECT count(*) FROM book_feedback")
    for path in acts:
        with subtests.test(path=path):
            given = {"token": token(teacher), "reason": "too_hard"}
            answer = teacher.post(PREFIX + filled(path, OTHER, "S1"), data=given)
            assert answer.status_code == 404
    assert rows("SELECT count(*) FROM book_feedback") == before


def test_nobody_is_made_by_a_form_about_somebody_unknown(
    librarian: TestClient, subtests: pytest.Subtests
) -> None:
    facts = "SELECT (SELECT count(*) FROM students), (SELECT count(*) FROM books)"
    before = rows(facts)
    for act in ACTS:
        with subtests.test(path=act.path):
            path = PREFIX + filled(act.path, student_id="nobody").replace("B00", "nothing")
            librarian.post(path, data={"token": token(librarian), "reason": "too_hard"})
            assert rows(facts) == before


def test_people_of_the_library_begin_there_and_operators_at_the_console(
    school: TestClient,
) -> None:
    log_in(school, Role.teacher)
    for role, front in (
        (Role.librarian, "/library"),
        (Role.teacher, "/library"),
        (Role.admin, "/"),
        (Role.read, "/"),
    ):
        answer = school.post("/login", data={"key": SECRETS[role]})
        assert (answer.status_code, answer.headers["location"]) == (303, front)
        assert school.get(front).status_code == 200


def test_no_page_takes_what_somebody_wrote_for_its_own(librarian: TestClient) -> None:
    for statement in (
        "UPDATE students SET display_name = %s, homeroom_teacher = %s WHERE student_id = 'S0'",
        "UPDATE books SET title = %s, author = %s WHERE book_id IN ('B00', 'B02')",
        "INSERT INTO staff_picks (book_id, note) VALUES ('B00', %s || %s)",
    ):
        change(statement, HOSTILE, HOSTILE)
    seen = 0
    for page in PAGES:
        text = librarian.get(filled(page.path, HOSTILE)).text
        assert "<script>alert" not in text
        seen += "&lt;script&gt;alert" in text
    assert seen >= 3


def test_covers_come_from_where_the_library_says_and_nothing_else_does(
    librarian: TestClient,
) -> None:
    path = filled("/library/students/{student_id}")
    policy = librarian.get(path).headers["content-security-policy"]
    assert "img-src 'self';" in policy
    change("UPDATE books SET cover_url = 'https://covers.example/' || book_id || '.jpg'")
    answer = librarian.get(path)
    assert '<img class="cover" src="https://covers.example/B' in answer.text
    policy = answer.headers["content-security-policy"]
    assert "img-src 'self' https://covers.example;" in policy
    assert "default-src 'none'" in policy
    assert len(answer.headers.get_list("content-security-policy")) == 1


def test_names_of_children_are_on_pages_and_in_no_log_line(
    librarian: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    change("UPDATE students SET display_name = 'Philippa Quist' WHERE student_id = 'S0'")
    assert all(librarian.get(filled(page.path)).status_code == 200 for page in PAGES)
    assert "Philippa Quist" in librarian.get(filled("/library/students/{student_id}")).text
    logged = "".join(repr(vars(line)) for line in caplog.records)
    assert "/library/students/S0" in logged, "or there would be nothing to look at"
    assert "Philippa" not in logged


def test_every_page_says_what_it_shows_once() -> None:
    assert len({page.path for page in PAGES}) == len(PAGES)
    assert all(page.title and page.shows for page in PAGES)


@pytest.mark.parametrize("name", sorted(path.stem for path in ROOM.glob("[!_]*.py")))
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"routes.library.{name}")).failed == 0
