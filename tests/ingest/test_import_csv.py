"""CSV files: what is stored, what is reported where, and that a second time changes nothing."""

import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.csv_files import CATALOG, HEADERS, STUDENTS, counts, load, places, titles, written
from tests.library import all_fresh, borrowed, loans, record, rows, stale, stored
from workers.core.errors import CsvFormatError
from workers.ingest.csv_import import import_csv
from workers.ingest.csv_tables import Table

pytestmark = pytest.mark.usefixtures("stores")


def test_a_book_is_stored_with_every_column() -> None:
    report = load(
        Table.catalog,
        'B1,Frog and Toad,A. Lobel,978-0,"[""fantasy"", ""friendship""]",Early Elementary,2.5,'
        '1970,64,4.5,pond; friends|spring,"Two lines"',
        header=f"{CATALOG},keywords,description",
    )
    assert counts(report) == {"rows": 1, "inserted": 1}
    assert rows(
        "SELECT book_id, title, author, isbn, genre, difficulty_band, reading_level,"
        " publication_year, page_count, average_rating, keywords, description FROM books"
    ) == [
        (
            *("B1", "Frog and Toad", "A. Lobel", "978-0", ["fantasy", "friendship"]),
            *("early_elementary", 2.5, 1970, 64, 4.5, ["pond", "friends", "spring"], "Two lines"),
        )
    ]


def test_a_student_is_stored_with_every_column() -> None:
    assert counts(load(Table.students, "S1,-1,5,Ms. Abara,1.75,2")) == {"rows": 1, "inserted": 1}
    assert rows(
        "SELECT student_id, grade_level, age, homeroom_teacher, prior_year_reading_score,"
        " lunch_period FROM students"
    ) == [("S1", -1, 5, "Ms. Abara", 1.75, "2")]
    assert stale() == {"S1"}


def test_a_loan_is_stored_with_every_column() -> None:
    report = load(Table.checkouts, "C1,S1,B1,2026-03-01,2026-03-09,4")
    assert counts(report) == {"rows": 1, "inserted": 1}
    assert loans() == [("S1", "B1", "2026-03-01", "2026-03-09", 4, "C1")]
    assert stale() == {"S1"}


TITLES = [
    "Lions, Tigers, and Bears",
    'The "Great" Gilly',
    '"',
    "Two\nlines\n\nand more",
    "Two\r\nlines",
    "Ä ö ü 漢字 🦊 \u202e",
    "'; DROP TABLE books; --",
    "%s {0} \\N \\",
    "=HYPERLINK()",
]


def test_titles_come_through_as_they_were_written() -> None:
    table: list[list[object]] = [[f"B{n}", title, *[""] * 8] for n, title in enumerate(TITLES)]
    assert counts(import_csv(Table.catalog, written(CATALOG, table)))["inserted"] == len(TITLES)
    assert titles() == TITLES


def test_any_line_end_and_a_byte_order_mark_are_understood(subtests: pytest.Subtests) -> None:
    lines = ["", STUDENTS, "", "S1,4,,,,", "", "", "S2,5,,,,", "S3,x,,,,"]
    for line_end in ("\n", "\r\n", "\r"):
        for mark in (b"", b"\xef\xbb\xbf"):
            with subtests.test(line_end=line_end, mark=mark):
                report = import_csv(Table.students, mark + line_end.join(lines).encode())
                assert (report.rows, report.failed) == (3, 1)
                assert places(report) == [(8, "grade_level")]
                assert rows("SELECT student_id FROM students ORDER BY 1") == [("S1",), ("S2",)]


def test_columns_may_stand_in_any_order_and_have_spaces_around_their_names() -> None:
    header = "lunch_period, age,prior_year_reading_score ,homeroom_teacher,grade_level,student_id"
    load(Table.students, "2,9,3.5,Ms. Abara,4,S1", header=header)
    assert rows("SELECT student_id, age, grade_level, lunch_period FROM students") == [
        ("S1", 9, 4, "2")
    ]


def test_an_import_tells_the_changed_rows_from_the_others() -> None:
    record(borrowed("S1"), borrowed("S2"))
    all_fresh()
    load(Table.students, "S1,4,,,,", "S2,,,,,")
    report = load(Table.students, "S1,4,,,,", "S2,5,,,,", "S3,,,,,")
    assert counts(report) == {"rows": 3, "inserted": 1, "updated": 1, "unchanged": 1}
    assert stale() == {"S1", "S2", "S3"}


NASTY = ['A, B and "C"', "Two\nlines", "O'Neil; DROP", 'Ends with "quote"', "  ünïcödé 🦊", ",,,"]


def library() -> dict[Table, bytes]:
    """An invented set: 341 books, 25 students, 160 loans."""
    chance = random.Random(341)

    def maybe(value: object) -> object:
        return value if chance.random() < 0.7 else ""

    books = [
        [
            f"B{n}",
            f"{NASTY[n % len(NASTY)]} {n}",
            maybe("Doe, J."),
            maybe(f"978-{n}"),
            maybe(json.dumps(chance.sample(["fantasy", "sci, fi", 'so-called "art"'], 2))),
            maybe("Middle School"),
            maybe(round(chance.uniform(0, 12), 1)),
            maybe(chance.randint(1900, 2026)),
            maybe(chance.randint(10, 900)),
            maybe(round(chance.uniform(1, 5), 2)),
        ]
        for n in range(341)
    ]
    students = [
        [f"S{n}", maybe(n % 9), maybe(6 + n % 9), maybe('Mr. "X", Jr.'), maybe(n / 7), maybe(n)]
        for n in range(25)
    ]
    days = [f"2026-{1 + n // 28:02}-{1 + n % 28:02}" for n in range(160)]
    checkouts = [
        [f"C{n}", f"S{n % 25}", f"B{n * 2}", day, maybe("2026-12-24"), maybe(1 + n % 5)]
        for n, day in enumerate(days)
    ]
    return {
        table: written(HEADERS[table], lines)
        for table, lines in zip(Table, (books, students, checkouts), strict=True)
    }


def test_a_library_is_counted_right_and_a_second_import_does_nothing_at_all() -> None:
    expected = {Table.catalog: 341, Table.students: 25, Table.checkouts: 160}
    for table, data in library().items():
        report = import_csv(table, data)
        assert counts(report) == {"rows": expected[table], "inserted": expected[table]}
    assert len(stale()) == 25
    before, everything = stored(), rows("SELECT * FROM books ORDER BY book_id")
    all_fresh()
    for table, data in library().items():
        report = import_csv(table, data)
        assert counts(report) == {"rows": expected[table], "unchanged": expected[table]}
        assert report.notifications == []
    assert stale() == set()
    assert stored() == before
    assert rows("SELECT * FROM books ORDER BY book_id") == everything


def test_a_file_of_more_rows_than_one_transaction_is_stored_whole() -> None:
    report = load(Table.students, *(f"S{n},4,,,," for n in range(4500)))
    assert counts(report) == {"rows": 4500, "inserted": 4500}
    assert len(report.notifications) == 40 + 40 + 10
    assert rows("SELECT count(*) FROM students") == [(4500,)]


def test_of_rows_about_the_same_student_the_last_good_one_counts_however_far_apart_they_are() -> (
    None
):
    others = [f"T{n},4,,,," for n in range(2500)]
    lines = ["S1,4,,,,", *others, "S1,5,,,,", "S1,x,,,,"]
    report = load(Table.students, *lines)
    assert counts(report) == {"rows": 2503, "inserted": 2501, "unchanged": 1, "failed": 1}
    assert rows("SELECT grade_level FROM students WHERE student_id = 'S1'") == [(5,)]
    all_fresh()
    report = load(Table.students, *lines)
    assert counts(report) == {"rows": 2503, "unchanged": 2502, "failed": 1}
    assert stale() == set()


BROKEN = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [b'"', b",", b"\n", b"\r", b"\0", b"[", b"S1", b"4", b"2026-03-01", b"\xff"]
        ),
        st.sampled_from([b"S1,4,9,,,\n", b"C1,S1,B1,2026-03-01,,\n", b"B1,One,,,[],,,,,\n"]),
    ),
    max_size=20,
).map(b"".join)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(Table), st.booleans(), BROKEN)
def test_no_bytes_whatever_raise_anything_but_a_format_error(
    table: Table, with_header: bool, data: bytes
) -> None:
    header = HEADERS[table].encode() + b"\n" if with_header else b""
    before = stored()
    try:
        report = import_csv(table, header + data)
    except CsvFormatError:
        assert not with_header
        assert stored() == before
    else:
        good = report.inserted + report.updated + report.unchanged
        assert good + report.failed == report.rows
        assert bool(report.failed) == bool(report.errors)
