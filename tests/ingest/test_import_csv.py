"""CSV files: what is stored, what is reported where, and that a second time changes nothing."""

import csv
import io
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.library import all_fresh, borrowed, loans, record, rows, stale, stored
from workers.core.errors import CsvFormatError
from workers.ingest.csv_import import CsvError, ImportReport, import_csv
from workers.ingest.csv_tables import Table

CATALOG = (
    "book_id,title,author,isbn,genre,difficulty_band,reading_level,publication_year,"
    "page_count,average_rating"
)
STUDENTS = "student_id,grade_level,age,homeroom_teacher,prior_year_reading_score,lunch_period"
CHECKOUTS = "checkout_id,student_id,book_id,checkout_date,return_date,student_rating"
HEADERS = {Table.catalog: CATALOG, Table.students: STUDENTS, Table.checkouts: CHECKOUTS}


@pytest.fixture(autouse=True)
def _library(stores: None) -> None:
    """Every test begins with an empty one."""


def load(table: Table, *lines: str, header: str | None = None) -> ImportReport:
    text = "\n".join([header or HEADERS[table], *lines, ""])
    return import_csv(table, text.encode())


def written(header: str, table: list[list[object]]) -> bytes:
    """A file as Python's csv module writes it."""
    out = io.StringIO()
    csv.writer(out).writerows([header.split(","), *table])
    return out.getvalue().encode()


def counts(report: ImportReport) -> dict[str, int]:
    return {name: count for name, count in vars(report).items() if isinstance(count, int) and count}


def places(report: ImportReport) -> list[tuple[int, str | None]]:
    return [(error.line, error.column) for error in report.errors]


def titles() -> list[str]:
    return [title for (title,) in rows("SELECT title FROM books ORDER BY book_id")]


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


WRONG_HEADERS = [
    (f"{STUDENTS},shoe_size", "shoe_size"),
    (STUDENTS.replace(",age", ""), "age"),
    (f"{STUDENTS},age", "age"),
    (f"{STUDENTS},", ""),
    (STUDENTS.replace(",", ";"), STUDENTS.replace(",", ";")),
    (STUDENTS.upper(), "STUDENT_ID"),
    (CATALOG, "book_id"),
]


def test_a_wrong_header_is_refused_and_nothing_is_stored(subtests: pytest.Subtests) -> None:
    for header, column in WRONG_HEADERS:
        with subtests.test(header=header):
            with pytest.raises(CsvFormatError) as error:
                load(Table.students, "S1,4,9,,,", header=header)
            assert error.value.column == column
            assert stored() == 0


def test_a_file_without_a_header_is_refused() -> None:
    for data in (b"", b"\n\n", b"\xef\xbb\xbf", b'"student_id', b"\xff\xfe\0"):
        with pytest.raises(CsvFormatError):
            import_csv(Table.students, data)


BAD_LINES: list[tuple[Table, str, str | None]] = [
    (Table.students, "S1,4,9,,,,", "7"),
    (Table.students, "S1,4,9,,", "lunch_period"),
    (Table.students, "S1", "grade_level"),
    (Table.students, ",4,9,,,", "student_id"),
    (Table.students, "S\x07,4,9,,,", "student_id"),
    (Table.students, f"{'S' * 201},4,9,,,", "student_id"),
    (Table.students, "S1,four,9,,,", "grade_level"),
    (Table.students, "S1,4.5,9,,,", "grade_level"),
    (Table.students, "S1,14,9,,,", "grade_level"),
    (Table.students, "S1,4,9999999999,,,", "age"),
    (Table.students, "S1,4,٩,,,", "age"),
    (Table.students, "S1,4,9,,NaN,", "prior_year_reading_score"),
    (Table.students, "S1,4,9,,1e3,", "prior_year_reading_score"),
    (Table.students, f"S1,4,9,,{'9' * 400},", "prior_year_reading_score"),
    (Table.students, "S1,4,9,a\0b,,", "homeroom_teacher"),
    (Table.catalog, "B1,,,,,,,,,", "title"),
    (Table.catalog, "B1,One,,,,high,,,,", "difficulty_band"),
    (Table.catalog, "B1,One,,,,,high,,,", "reading_level"),
    (Table.catalog, "B1,One,,,,,20.1,,,", "reading_level"),
    (Table.catalog, "B1,One,,,,,,,,5.01", "average_rating"),
    (Table.catalog, 'B1,One,,,"[""a""",,,,,', "genre"),
    (Table.catalog, "B1,One,,,[1],,,,,", "genre"),
    (Table.catalog, f"B1,One,,,{'[' * 60_000},,,,,", "genre"),
    (Table.catalog, 'B1,One,,,"[""\\ud800""]",,,,,', "genre"),
    (Table.catalog, 'B1,One,,,"[""\\u0000""]",,,,,', "genre"),
    (Table.catalog, f"B1,{'x' * 140_000},,,,,,,,", None),
    (Table.checkouts, "C1,S1,B1,,,", "checkout_date"),
    (Table.checkouts, "C1,S1,B1,03/01/2026,,", "checkout_date"),
    (Table.checkouts, "C1,S1,B1,2026-02-30,,", "checkout_date"),
    (Table.checkouts, "C1,S1,B1,0000-01-01,,", "checkout_date"),
    (Table.checkouts, "C1,S1,B1,2026-03-01T10:00,,", "checkout_date"),
    (Table.checkouts, "C1,S1,B1,2026-03-01,2026-02-28,", "return_date"),
    (Table.checkouts, "C1,S1,B1,2026-03-01,,6", "student_rating"),
    (Table.checkouts, "C1,S1,,2026-03-01,,", "book_id"),
]
GOOD_LINES = {
    Table.catalog: ("B8,Eight,,,,,,,,", "B9,Nine,,,,,,,,"),
    Table.students: ("S8,,,,,", "S9,,,,,"),
    Table.checkouts: ("C8,S8,B8,2026-03-01,,", "C9,S9,B9,2026-03-01,,"),
}


def test_a_bad_line_is_reported_by_line_and_column_and_only_it_is_lost(
    subtests: pytest.Subtests,
) -> None:
    for table, good in GOOD_LINES.items():
        load(table, *good)
    before = stored()
    for table, line, column in BAD_LINES:
        with subtests.test(table=table, line=line[:80]):
            first, last = GOOD_LINES[table]
            report = load(table, first, line, last)
            assert places(report) == [(3, column)]
            assert counts(report) == {"rows": 3, "unchanged": 2, "failed": 1}
            assert stored() == before


def test_every_bad_cell_of_a_line_is_reported() -> None:
    report = load(Table.students, "S1,four,nine,,x,")
    assert counts(report) == {"rows": 1, "failed": 1}
    assert report.errors == [
        CsvError(2, "grade_level", "not a whole number: 'four'"),
        CsvError(2, "age", "not a whole number: 'nine'"),
        CsvError(2, "prior_year_reading_score", "not a number: 'x'"),
    ]


def test_a_cell_that_is_not_utf8_is_reported_and_the_others_are_stored() -> None:
    lines = [STUDENTS.encode(), b"S1,4,,Ms. \xe9,,", "S2,4,,Ms. é,,".encode()]
    report = import_csv(Table.students, b"\n".join(lines))
    assert report.errors == [CsvError(2, "homeroom_teacher", "not UTF-8")]
    assert rows("SELECT homeroom_teacher FROM students") == [("Ms. é",)]


@pytest.mark.parametrize("stray", ['S2,4,,"Ms. Open,,', 'S2,4,,"Ms" Shut,,', '"'])
def test_a_stray_quote_loses_its_own_line_only(stray: str) -> None:
    others = [f'S{n},4,,"Ms. {n}, M.A.",,' for n in range(3, 300)]
    report = load(Table.students, "S1,4,,,,", stray, *others)
    assert counts(report) == {"rows": 299, "inserted": 298, "failed": 1}
    assert places(report) == [(3, None)]


def test_lines_are_counted_right_after_cells_of_many_lines() -> None:
    report = load(Table.students, 'S1,4,,"a\nb\nc",,', "S2,x,,,,", 'S3,4,,"a\nb",,', "S4,y,,,,")
    assert places(report) == [(5, "grade_level"), (8, "grade_level")]


GENRES = [
    ("Fantasy", ["Fantasy"]),
    ("Fantasy; Horror |Poetry", ["Fantasy", "Horror", "Poetry"]),
    ('"[""Fantasy"", "" "", ""Sci, Fi""]"', ["Fantasy", "Sci, Fi"]),
    ("[]", []),
    ("", []),
]


def test_a_genre_is_a_json_list_or_plain_text() -> None:
    load(Table.catalog, *(f"B{n},One,,,{cell},,,,," for n, (cell, _) in enumerate(GENRES)))
    assert rows("SELECT genre FROM books ORDER BY book_id") == [(genre,) for _, genre in GENRES]


def test_blank_cells_are_null_and_clear_what_is_stored() -> None:
    load(Table.students, "S1,4,9,Ms. Abara,3.5,2")
    assert counts(load(Table.students, "S1,, ,\t,,")) == {"rows": 1, "updated": 1}
    assert rows(
        "SELECT grade_level, age, homeroom_teacher, prior_year_reading_score, lunch_period"
        " FROM students"
    ) == [(None,) * 5]


def test_whole_numbers_as_spreadsheets_write_them_are_whole_numbers() -> None:
    load(Table.students, "S1,4.0,+9.,,,")
    assert rows("SELECT grade_level, age FROM students") == [(4, 9)]


def test_a_loan_id_that_stands_twice_with_different_loans_is_reported() -> None:
    lines = ["C1,S1,B1,2026-03-01,,", "C1,S1,B1,2026-03-01,,5", "C1,S2,B2,2026-03-01,,"]
    for _ in range(2):
        report = load(Table.checkouts, *lines)
        assert places(report) == [(4, "checkout_id")]
        assert [loan[:2] for loan in loans()] == [("S1", "B1")]
    assert counts(report) == {"rows": 3, "unchanged": 2, "failed": 1}


def test_only_a_thousand_errors_are_listed_but_all_are_counted() -> None:
    report = load(Table.students, *(f"S{n},x,y,,," for n in range(700)))
    assert counts(report) == {"rows": 700, "failed": 700}
    assert len(report.errors) == 1000


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
