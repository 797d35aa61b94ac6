"""Evaluating from CSV files: what the import would take counts, and nothing is stored."""

import sys
from pathlib import Path

import pytest

from workers.books.evaluate import main, read_books, read_library

SAMPLE = Path(__file__).parents[2] / "sample"


def test_loans_of_books_that_the_catalogue_lacks_are_left_out() -> None:
    books = read_books((SAMPLE / "catalog.csv").read_bytes())
    checkouts = (SAMPLE / "checkouts.csv").read_bytes()
    loans, library = read_library(books, checkouts)
    assert len(loans) == checkouts.count(b"\n") - 1
    gone = next(iter(books))
    fewer, _ = read_library({k: v for k, v in books.items() if k != gone}, checkouts)
    assert len(fewer) < len(loans)
    assert library.vectors is not None
    assert len(library.vectors) == len(books)


def test_a_file_with_a_wrong_header_is_named_and_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "catalog.csv"
    wrong.write_text("id,name\n1,Emma\n")
    monkeypatch.setattr(sys, "argv", ["evaluate", str(wrong), str(wrong)])
    assert main() == 2
    assert "unknown column 'id'" in capsys.readouterr().err
