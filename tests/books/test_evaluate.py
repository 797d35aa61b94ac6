"""Evaluating other libraries' CSV files: any of them is read or refused in a sentence."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.csv_files import written
from workers.books.evaluate import choose_split, main
from workers.books.loan_files import Notes, Shelf, read_loans_of, read_shelf
from workers.books.loans import Loans
from workers.core.errors import CsvFormatError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command on two files of these rows."""

    def evaluate(catalog: bytes, checkouts: bytes, *options: str) -> int:
        files = {"catalog.csv": catalog, "checkouts.csv": checkouts}
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        paths = [str(tmp_path / name) for name in files]
        monkeypatch.setattr(sys, "argv", ["evaluate", *paths, *options])
        return main()

    return evaluate


def csv_bytes(header: str, *rows: Sequence[object]) -> bytes:
    return written(header, [list(row) for row in rows])


def shelf_of(*rows: Sequence[object]) -> Shelf:
    return read_shelf(csv_bytes("book_id,title", *rows), Notes())


def loans_of(*rows: Sequence[object], notes: Notes | None = None) -> Loans:
    header = "student_id,book_id,checkout_date,student_rating"
    shelf = shelf_of(("a", "A"), ("b", "B"))
    return read_loans_of(shelf, csv_bytes(header, *rows), notes or Notes())


def heavy_tailed(readers: int, books: int, loans: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """Loans of which half are of few books; readers borrow near what they borrowed before."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(loans):
        reader = int(readers * rng.random() ** 2)
        book = int(books * rng.random() ** 3 + reader % 5) % books
        day = np.datetime64("2024-01-01") + number * 400 // loans
        rows.append((f"leser, {reader}", f"książka-{book}", str(day)))
    return rows


def test_ids_with_commas_and_in_any_script_are_evaluated_and_again_the_same(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = csv_bytes("book_id", *((f"książka-{number}",) for number in range(40)))
    header = "student_id,book_id,checkout_date"
    checkouts = csv_bytes(header, *heavy_tailed(80, 40, 1500))
    assert run(catalog, checkouts) == 0
    said = capsys.readouterr().out
    assert "held out: the newest tenth of all loans" in said
    for name in ("blend", "popular", "iALS", "EASE alone", "coverage"):
        assert name in said
    assert run(catalog, checkouts) == 0
    assert capsys.readouterr().out == said


def test_it_runs_without_any_setting_from_another_folder(tmp_path: Path) -> None:
    sample = ROOT / "sample"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "workers.books.evaluate"),
            *(sample / "catalog.csv", sample / "checkouts.csv"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "held out" in done.stdout


def test_too_few_loans_are_said(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    catalog = csv_bytes("book_id", ["a"])
    checkouts = csv_bytes("student_id,book_id,checkout_date", ("s", "a", "2024-01-01"))
    assert run(catalog, checkouts) == 1
    assert "nothing to judge by" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("catalog", "checkouts", "said"),
    [
        (b"", b"", "catalog: the column 'book_id' is missing; there is: nothing"),
        (b"id;title\n1;A\n", b"", "column 'book_id' is missing; there is: id, title"),
        (b"book_id\n", b"", "catalog: there are no books"),
        (b"book_id\na\n", b"student_id,book_id\ns,a\n", "the column 'checkout_date' is missing"),
        (
            b"book_id\na\n",
            b"student_id,book_id,checkout_date\ns,a,31/01/2024\n",
            "checkouts: no loan is left: 1 loans without a date like 2026-01-31, left out,"
            " the first '31/01/2024'",
        ),
    ],
)
def test_a_file_that_cannot_be_read_ends_with_2_and_a_sentence(
    run: Run, capsys: pytest.CaptureFixture[str], catalog: bytes, checkouts: bytes, said: str
) -> None:
    assert run(catalog, checkouts) == 2
    assert said in capsys.readouterr().err


def test_of_a_catalogue_only_ids_are_needed_and_other_columns_are_passed_over() -> None:
    notes = Notes()
    shelf = read_shelf(
        b"\xef\xbb\xbfBook_ID\tpages\treading_level\n x \t1\thard\ny\t\t4.5\nx\t\t\n\t\t\n", notes
    )
    assert shelf.catalog.book_ids == ("x", "y")
    assert shelf.texts == ("", "")
    assert np.isnan(shelf.catalog.level[0])
    assert shelf.catalog.level[1] == 4.5
    assert sorted(notes.lines()) == [
        "1 books without an id, left out",
        "1 cells of reading_level that cannot be read, taken for unknown, the first 'hard'",
        "1 rows about a book of an earlier row, which they replace, the first 'x'",
    ]


def test_rows_of_loans_that_say_nothing_are_counted_and_left_out() -> None:
    notes = Notes()
    loans = loans_of(
        ("s", "a", "2024-01-02T12:00:00Z", "4.5"),
        ("s", "a", "2024-01-02 13:00+01:00", 9),
        ("s", "gone", "2024-01-02", ""),
        ("", "a", "2024-01-02", ""),
        ("t", "b", "2024-01-01", 0),
        notes=notes,
    )
    assert loans.times.tolist() == [19724.5, 19723.0]
    assert np.isnan(loans.ratings).all()
    assert len(list(notes.lines())) == 4


def test_loans_of_one_day_come_in_an_order_drawn_by_lot() -> None:
    rows = [(f"s{number:02}", "a", "2024-01-01", "") for number in range(30)]
    drawn = loans_of(*rows).students.tolist()
    assert drawn != sorted(drawn)
    assert drawn == loans_of(*rows).students.tolist()


def test_readers_newest_loans_are_held_out_where_no_moment_parts_enough_readers() -> None:
    rows = [
        (f"s{number}", "ab"[place % 2], f"2024-01-{place + 1:02}", "")
        for number in range(5)
        for place in range(12)
    ]
    split, said = choose_split(loans_of(*rows), None)
    assert said == "held out: the newest 2 of each reader with more than 4 loans"
    assert len(split(loans_of(*rows)).known) == 50
    assert choose_split(loans_of(*rows), 3)[1].startswith("held out: the newest 3")


def test_a_catalogue_without_books_is_refused() -> None:
    with pytest.raises(CsvFormatError, match="no books"):
        shelf_of()
