"""What a CSV import refuses: headers, lines, cells; everything else of the file is stored."""

import pytest

from tests.csv_files import CATALOG, STUDENTS, counts, load, places
from tests.library import loans, rows, stored
from workers.core.errors import CsvFormatError
from workers.ingest.csv_import import import_csv
from workers.ingest.csv_rows import CsvError
from workers.ingest.csv_tables import Table

pytestmark = pytest.mark.usefixtures("stores")


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
