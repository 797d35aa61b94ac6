"""What a library may also know of its books: given in a CSV file, each column optional."""

from tests.library import rows
from workers.ingest.csv_import import ImportReport, import_csv
from workers.ingest.csv_tables import Table

CATALOG = (
    "book_id,title,author,isbn,genre,difficulty_band,reading_level,publication_year,"
    "page_count,average_rating"
)
STORED = (
    "SELECT language, series, series_number, copies_total, copies_available, cover_url FROM books"
)


def load(header: str, *lines: str) -> ImportReport:
    return import_csv(Table.catalog, "\n".join([f"{CATALOG},{header}", *lines]).encode())


def test_language_series_copies_and_cover_are_stored(stores: None) -> None:
    report = load(
        "language,series,series_number,copies_total,copies_available,cover_url",
        "B1,Frog and Toad,,,,,,,,,PT_br,Frog and Toad,1.0,3,2.0,http://covers.example:8080",
    )
    assert report.inserted == 1
    assert rows(STORED) == [("pt-br", "Frog and Toad", 1.0, 3, 2, "http://covers.example:8080")]


def test_a_file_without_a_column_leaves_what_is_known(stores: None) -> None:
    load("language,copies_total", "B1,One,,,,,,,,,en,3")
    assert load("copies_total", "B1,One,,,,,,,,,").updated == 1
    assert rows(STORED) == [("en", None, None, None, None, None)]


def test_each_bad_cell_is_reported_by_its_column(stores: None) -> None:
    report = load(
        "language,copies_total,copies_available,cover_url",
        "B1,One,,,,,,,,,English,2.5,1,",
        "B2,Two,,,,,,,,,English,2,1,",
        "B3,Three,,,,,,,,,en,1,2,",
        "B4,Four,,,,,,,,,en,1,1,ftp://covers.example/4.jpg",
    )
    assert [(error.line, error.column) for error in report.errors] == [
        (2, "copies_total"),
        (3, "language"),
        (4, "copies_available"),
        (5, "cover_url"),
    ]
    assert report.failed == 4
