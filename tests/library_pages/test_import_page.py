"""The page of imports: looked at first, errors beside the cells, then imported by a run."""

import re
from html import unescape
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from tests.console.session import log_in, token
from tests.csv_files import CATALOG, CHECKOUTS, STUDENTS
from tests.library import change, rows
from tests.library_pages.school import act
from workers.core.api_keys import Role
from workers.ingest.imports import prune_imports, run_import

pytestmark = pytest.mark.slow

PATH = "/library/import"
BAD = f"""{STUDENTS}
N1,four,9,Ms. Abara,,first
N2,4,9,Ms. Abara,,first
N3,4,9
N2,5,9,Ms. Abara,,first
"""


def upload(client: TestClient, holds: str, text: str | bytes, name: str = "list.csv") -> str:
    """Send a file, and return the page that the answer leads to."""
    data = text.encode() if isinstance(text, str) else text
    answer = client.post(
        PATH,
        data={"token": token(client), "holds": holds},
        files={"file": (name, data, "text/csv")},
    )
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def run_of(page: str) -> UUID:
    ((run_id,),) = rows("SELECT run_id FROM imports WHERE import_id = %s", page.rpartition("/")[2])
    return UUID(str(run_id))


def facts(text: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))


def test_errors_stand_beside_their_cells_and_nothing_is_stored(librarian: TestClient) -> None:
    before = rows("SELECT count(*) FROM students")
    page = upload(librarian, "students", BAD)
    text = unescape(librarian.get(page).text)
    assert "list.csv was looked at. Nothing of it is stored yet." in text
    assert facts(text)["Rows"] == "4"
    assert facts(text)["Good"] == "2"
    assert facts(text)["About what is not here yet"] == "1"
    assert facts(text)["Followed by another about the same, which counts"] == "1"
    assert '<td class="wrap wrong">four<p class="error bad">not a whole number: \'four\'' in text
    assert "3 cells where the header has 6" in text
    assert rows("SELECT count(*) FROM students") == before


def test_a_file_is_imported_by_a_run_and_goes(librarian: TestClient) -> None:
    page = upload(librarian, "students", BAD)
    import_id = page.rpartition("/")[2]
    assert act(librarian, f"/import/{import_id}/apply") == "The import has begun."
    text = librarian.get(page).text
    assert "Importing" in text
    assert 'data-refresh="2"' in text
    notified = run_import(run_of(page))
    assert [each.key for each in notified] == ["N2"]
    assert rows("SELECT grade_level FROM students WHERE student_id = 'N2'") == [(5,)]
    text = librarian.get(page).text
    assert "One row new" in text
    assert "two rows left out" in text
    assert "not a whole number" in text
    stored = "SELECT data, checked FROM imports WHERE import_id = %s"
    assert rows(stored, import_id) == [(None, None)]
    assert rows("SELECT state, done, failed FROM runs WHERE run_id = %s", run_of(page)) == [
        ("done", 4, 2)
    ]
    assert "Not done" in act(librarian, f"/import/{import_id}/apply")


def test_a_run_that_is_begun_twice_imports_once(librarian: TestClient) -> None:
    page = upload(librarian, "students", f"{STUDENTS}\nN1,4,9,,,\n")
    act(librarian, f"/import/{page.rpartition('/')[2]}/apply")
    assert len(run_import(run_of(page))) == 1
    assert run_import(run_of(page)) == []


def test_loans_of_whom_nobody_knows_are_said_before(librarian: TestClient) -> None:
    named = ("S0,B00", "Nobody,B01", "S1,Nothing")
    loans = "\n".join([CHECKOUTS, *(f",{pair},2026-01-05,," for pair in named), ""])
    text = librarian.get(upload(librarian, "checkouts", loans)).text
    assert facts(text)["Students whom only loans name"] == "1"
    assert facts(text)["Books that only loans name"] == "1"
    assert "Import students and books first" in text


def test_a_file_is_deleted_on_demand_and_after_a_day(librarian: TestClient) -> None:
    first = upload(librarian, "students", BAD)
    act(librarian, f"/import/{first.rpartition('/')[2]}/discard")
    assert librarian.get(first).status_code == 404
    second = upload(librarian, "students", BAD)
    change("UPDATE imports SET created_at = now() - interval '25 hours'")
    third = upload(librarian, "students", BAD)
    assert prune_imports() >= 1
    assert librarian.get(second).status_code == 404
    assert librarian.get(third).status_code == 200


@pytest.mark.parametrize(
    ("holds", "text", "why"),
    [
        ("students", "", "choose a file that is not empty"),
        ("films", BAD, "choose what the file holds"),
        ("catalog", BAD, "unknown column 'student_id'"),
        ("students", b"\0\0\xff", "unknown column"),
    ],
)
def test_what_is_no_such_file_is_refused_with_a_reason(
    librarian: TestClient, holds: str, text: str | bytes, why: str
) -> None:
    assert upload(librarian, holds, text) == PATH
    assert f"Not read: {why}" in unescape(librarian.get(PATH).text)


def test_odd_bytes_in_cells_and_names_are_shown_as_text(librarian: TestClient) -> None:
    odd = f"{STUDENTS}\nN1,\xfc\0,<b>x</b>,,,\n".encode("latin-1")
    page = upload(librarian, "students", odd, name="..\\<i>\x07.csv")
    text = librarian.get(page).text
    assert "&lt;b&gt;x&lt;/b&gt;" in text
    assert "<b>x" not in text
    assert "<i>" not in text


def test_only_librarians_bring_files_and_only_with_their_own_form(school: TestClient) -> None:
    files = {"file": ("x.csv", BAD.encode(), "text/csv")}
    assert school.post(PATH, files=files).headers["location"] == "/login"
    for role in Role:
        log_in(school, role)
        assert school.post(PATH, data={"token": "x"}, files=files).status_code == 403
        given = {"token": token(school), "holds": "students"}
        elsewhere = {"origin": "http://evil.example"}
        assert school.post(PATH, data=given, files=files, headers=elsewhere).status_code == 403
        status = school.post(PATH, data=given, files=files).status_code
        assert status == (303 if role.includes(Role.librarian) else 403), role


def test_every_profile_and_its_columns_are_on_the_page(librarian: TestClient) -> None:
    text = librarian.get(PATH).text
    for name in (*STUDENTS.split(","), *CHECKOUTS.split(","), *CATALOG.split(",")):
        assert name in text
