"""CSV files for tests of the import, and what a report says of them."""

import csv
import io

from tests.library import rows
from workers.ingest.csv_import import ImportReport, import_csv
from workers.ingest.csv_tables import Table

CATALOG = (
    "book_id,title,author,isbn,genre,difficulty_band,reading_level,publication_year,"
    "page_count,average_rating"
)
STUDENTS = "student_id,grade_level,age,homeroom_teacher,prior_year_reading_score,lunch_period"
CHECKOUTS = "checkout_id,student_id,book_id,checkout_date,return_date,student_rating"
HEADERS = {Table.catalog: CATALOG, Table.students: STUDENTS, Table.checkouts: CHECKOUTS}


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
