"""POST /import under damaged files: a report or 4xx, the good rows stored, and twice is once."""

import csv
import io
from typing import Any

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.fuzzing import fuzz
from tests.ingest.test_fuzz_events import contents
from tests.library import change, rows
from workers.ingest import csv_import
from workers.ingest.csv_tables import Table

pytestmark = pytest.mark.slow

HEADERS = {
    Table.catalog: "book_id,title,author,isbn,genre,difficulty_band,reading_level,"
    "publication_year,page_count,average_rating,keywords,description",
    Table.students: "student_id,grade_level,age,homeroom_teacher,prior_year_reading_score,"
    "lunch_period",
    Table.checkouts: "checkout_id,student_id,book_id,checkout_date,return_date,student_rating",
}
STORED = {
    Table.catalog: "SELECT count(*) FROM books WHERE title IS NOT NULL",
    Table.students: "SELECT count(*) FROM students",
    Table.checkouts: "SELECT count(*) FROM checkouts",
}
LINE_ENDS = ["\n", "\r\n", "\r"]
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

tables = st.sampled_from(list(Table))


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a file of some lines has several."""
    monkeypatch.setattr(csv_import, "CHUNK_ROWS", 3)


def empty() -> None:
    change("TRUNCATE students, books, checkouts, events, freshness, effects CASCADE")


def good(table: Table, number: int) -> str:
    """A line that is right, and different for every number."""
    if table is Table.catalog:
        return f"B{number},Title {number},,978-{number},mystery,beginner,2.5,1970,64,4.5,a;b,words"
    if table is Table.students:
        return f"S{number},4,9,Ms. Ä{number},3.5,2"
    return f"C{number},S{number % 3},B{number},2026-03-01,2026-03-09,4"


def too_many_cells(line: bytes) -> bytes:
    return line + b",more"


def too_few_cells(line: bytes) -> bytes:
    return line.rpartition(b",")[0]


def without_its_id(line: bytes) -> bytes:
    """The second id of a loan's."""
    cells = line.split(b",")
    cells[1 if len(cells) == 6 and line.startswith(b"C") else 0] = b""
    return b",".join(cells)


def cut_in_a_character(line: bytes) -> bytes:
    return "Ä".encode()[:1] + line


def with_a_nul(line: bytes) -> bytes:
    return b"\0" + line


def with_an_endless_cell(line: bytes) -> bytes:
    return b"x" * 140_000 + line


def with_a_long_id(line: bytes) -> bytes:
    return b"x" * 201 + line


def with_a_quote(line: bytes) -> bytes:
    """That is never closed."""
    return b'"' + line


DAMAGES = [
    *(too_many_cells, too_few_cells, without_its_id, cut_in_a_character, with_a_nul),
    *(with_an_endless_cell, with_a_long_id),
]


@fuzz(120)
@given(
    table=tables,
    plan=st.lists(st.none() | st.sampled_from(DAMAGES), min_size=1, max_size=12),
    stray_quote=st.none() | st.integers(0, 11),
    line_end=st.sampled_from(LINE_ENDS),
    mark=st.booleans(),
)
def test_good_rows_are_stored_and_every_bad_one_is_reported_once(
    client: TestClient,
    table: Table,
    plan: list[Any],
    stray_quote: int | None,
    line_end: str,
    *,
    mark: bool,
) -> None:
    """One stray quote at most: a second one closes the first, and all between them is a cell."""
    empty()
    damages = list(plan)
    if stray_quote is not None:
        damages[stray_quote % len(damages)] = with_a_quote
    lines = [HEADERS[table].encode()]
    for number, damage in enumerate(damages):
        line = good(table, number).encode()
        lines.append(damage(line) if damage else line)
    bad = [number for number, damage in enumerate(damages, start=2) if damage]
    body = (BYTE_ORDER_MARK if mark else b"") + line_end.encode().join([*lines, b""])

    report = client.post(f"/import/{table}", content=body).json()
    assert (report["rows"], report["inserted"]) == (len(plan), len(plan) - len(bad)), report
    assert report["failed"] == len(bad)
    assert sorted({error["line"] for error in report["errors"]}) == bad
    assert rows(STORED[table]) == [(len(plan) - len(bad),)]
    again_changes_nothing(client, table, body)


def again_changes_nothing(client: TestClient, table: Table, body: bytes) -> None:
    before = contents()
    report = client.post(f"/import/{table}", content=body).json()
    assert (report["inserted"], report["updated"]) == (0, 0)
    assert contents() == before


cells = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=6),
    st.sampled_from(["", "S1", "S2", "B1", "C1", "4", "-1", "2.5", "1e3", "nan", "2026-03-01"]),
    st.sampled_from(["0001-01-01", "9999-12-31", '["a"]', "[", "beginner", "\u0661", "\ufeff"]),
)


NOISE = [b'"', b'""', b",", b"\n", b"\r", b"\0", b"\xc3", b"\xff", BYTE_ORDER_MARK, b"x" * 140_000]
mutations = st.lists(
    st.tuples(
        st.floats(0, 1),
        st.sampled_from([0, 1, 2, 30]),
        st.sampled_from([b"", *NOISE]) | st.binary(max_size=3),
        st.booleans(),
    ),
    max_size=4,
)


def mutated(data: bytes, changes: list[tuple[float, int, bytes, bool]]) -> bytes:
    """Bytes deleted, replaced or put in; some of those that go are put in twice instead."""
    for place, length, noise, twice in changes:
        start = int(place * len(data))
        gone = data[start : start + length]
        data = data[:start] + (noise or gone * (2 if twice else 0)) + data[start + length :]
    return data


@st.composite
def files(draw: st.DrawFn) -> tuple[Table, bytes]:
    """A file as a program writes it, of cells that may be right, with its bytes mutated."""
    table = draw(tables)
    columns = HEADERS[table].split(",")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=draw(st.sampled_from(LINE_ENDS)))
    writer.writerow(draw(st.permutations(columns)) if draw(st.booleans()) else columns)
    writer.writerows(draw(st.lists(rows_of(table), max_size=8)))
    data = out.getvalue().encode()
    # A header that is damaged ends the matter, so most are spared.
    spared = 0 if draw(st.integers(0, 3)) == 0 else len(HEADERS[table])
    return table, data[:spared] + mutated(data[spared:], draw(mutations))


def rows_of(table: Table) -> st.SearchStrategy[list[str]]:
    """Mostly right ones about few things, some of random cells."""
    width = HEADERS[table].count(",") + 1
    return st.one_of(
        st.builds(lambda number: good(table, number).split(","), st.integers(0, 4)),
        st.builds(
            lambda number, place, cell: changed(good(table, number).split(","), place, cell),
            st.integers(0, 4),
            st.integers(0, width - 1),
            cells,
        ),
        st.lists(cells, min_size=width - 1, max_size=width + 1),
    )


def changed(row: list[str], place: int, cell: str) -> list[str]:
    return [*row[:place], cell, *row[place + 1 :]]


@fuzz(300)
@given(file=files())
def test_any_file_is_answered_with_a_report_or_refused_and_twice_is_once(
    client: TestClient, file: tuple[Table, bytes]
) -> None:
    table, body = file
    empty()
    before = contents()
    answer = client.post(f"/import/{table}", content=body)
    note(str(answer.status_code))
    if answer.status_code != 200:
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"
        assert contents() == before
        return
    report = answer.json()
    outcomes = ("inserted", "updated", "unchanged", "failed")
    assert report["rows"] == sum(report[outcome] for outcome in outcomes)
    assert len({error["line"] for error in report["errors"]}) == report["failed"]
    again_changes_nothing(client, table, body)
