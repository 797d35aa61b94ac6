"""Loans of neighbours are kept by a process, and never when an event has changed them."""

from collections.abc import Iterator, Sequence

import psycopg
import pytest

from tests.library import change
from tests.shelf import book, feedback, lend, loan, record, student
from workers.books.arrays import Scoring
from workers.books.catalog import Book, build_catalog
from workers.books.history import History
from workers.books.reader_loans import ReaderLoans
from workers.books.recommend import recommend
from workers.books.wanted import Wanted


@pytest.fixture
def scoring(stores: None) -> Iterator[Scoring]:
    """A process that has answered S1, whose only neighbour is the newcomer N, once."""
    lend()
    record(student("N"), *(book(number) for number in (50, 51)), loan("N", 50))
    change("INSERT INTO student_similarity (a, b, sim) VALUES ('S1', 'N', 0.9)")
    scoring = Scoring()
    assert borrowed_by_neighbors(scoring) == {"B50"}
    yield scoring
    scoring.close()


def borrowed_by_neighbors(scoring: Scoring) -> set[str]:
    answer = recommend(scoring, Wanted(student_ids=("S1",), limit=50, shown_again=True))
    return {item.book_id for item in answer.items if item.parts["neighbors"] > 0}


def test_loans_that_nothing_has_changed_are_read_once(
    scoring: Scoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    read = ReaderLoans._read

    def noting(
        self: ReaderLoans, conn: psycopg.Connection, ids: Sequence[str]
    ) -> dict[str, History]:
        asked.append(ids)
        return read(self, conn, ids)

    monkeypatch.setattr(ReaderLoans, "_read", noting)
    # Facts of S1 itself are no reason to read the neighbour's again.
    record(loan("S1", 51), feedback("S1", "B03", "hidden"))
    assert borrowed_by_neighbors(scoring) == {"B50"}
    assert asked == []
    record(loan("N", 39))
    assert borrowed_by_neighbors(scoring) == {"B50", "B39"}
    assert asked == [["N"]]


def test_a_loan_of_a_neighbour_and_what_they_say_of_it_counts_in_the_next_answer(
    scoring: Scoring,
) -> None:
    record(loan("N", 38))
    assert borrowed_by_neighbors(scoring) == {"B50", "B38"}
    record(loan("N", 38, student_rating=1))
    assert borrowed_by_neighbors(scoring) == {"B50"}


def test_a_neighbour_who_left_and_came_again_has_the_loans_of_now(scoring: Scoring) -> None:
    record({"event_type": "student_deleted", "student_id": "N"})
    record(student("N"), loan("N", 37))
    change("INSERT INTO student_similarity (a, b, sim) VALUES ('S1', 'N', 0.9)")
    assert borrowed_by_neighbors(scoring) == {"B37"}


def test_what_is_kept_stands_in_the_rows_of_its_catalogue() -> None:
    catalog, same, other = (
        build_catalog(Book(name, copies_available=copies) for name in names)
        for names, copies in (("ab", 1), ("ab", 0), ("abc", 1))
    )
    loans = ReaderLoans(catalog, 10)
    assert loans.fits(catalog, 10)
    assert loans.fits(same, 10)
    assert not loans.fits(other, 10)
    assert not loans.fits(same, 5)
