"""Reasons: sentences made from facts, and facts that are true."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.books.truths import is_true
from tests.books.worlds import invented_books, invented_student
from workers.books import evidence as facts
from workers.books.evidence import Evidence, Witness, evidence_for, source_of, strongest_loans
from workers.books.exclusions import BookFilter, Known, exclude
from workers.books.reasons import book_ids_in, say
from workers.books.score import BookArrays, Student, TermWeights, score_books

TITLES = {"x": "Emil", "y": "Ronja", "z": "Momo", "untitled": None}


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        (facts.BecauseRead(("x",)), "Because you read Emil."),
        (facts.BecauseRead(("x", "y")), "Because you read Emil and Ronja."),
        (facts.BecauseRead(("untitled",)), "Because you read books that go with it."),
        (facts.LikeRead("y", ()), "Like Ronja, which you read."),
        (
            facts.LikeRead("y", ("dogs", "space", "war")),
            "Like Ronja, which you read: both are dogs, space and war.",
        ),
        (facts.FitsProfile(), "Fits what you like to read."),
        (facts.NeighborsRead(1), "One reader like you borrowed it."),
        (facts.NeighborsRead(3), "Three readers like you borrowed it."),
        (facts.Trending(in_grade=True), "Borrowed lately around your grade."),
        (facts.Trending(in_grade=False), "Borrowed lately in your library."),
        (facts.MatchesLevel(4.3), "Matches your level 4.3."),
        (facts.WellRated(4.56), "Readers give it 4.6 of 5 stars."),
        (facts.StaffPick(), "Picked by your librarian."),
        (facts.NextVolume("x"), "Next in the series after Emil."),
        (facts.NextVolume("unknown"), "Next in the series that you began."),
        (facts.NewArrival(), "New in your library."),
        (facts.Popular(1234), "1,234 readers of your library borrowed it."),
        (facts.Unborrowed(), "Nobody has borrowed it yet: be the first."),
        (facts.ReadersOf("z"), "Readers of Momo also borrowed it."),
        (facts.MeetsQuery(in_words=True), "Has words that you asked for."),
        (facts.MeetsQuery(in_words=False), "Close to what you asked for."),
    ],
)
def test_a_fact_is_said_in_one_sentence(fact: Evidence, sentence: str) -> None:
    reason = say(fact, "book", TITLES)
    assert (reason.type, reason.text) == (fact.type, sentence)
    assert reason.evidence_ids == (book_ids_in(fact) or ("book",))


def test_every_fact_has_a_type_of_its_own() -> None:
    kinds = Evidence.__args__
    assert len({kind.type for kind in kinds}) == len(kinds) == 14


@given(st.integers(0, 10_000))
def test_every_fact_behind_a_score_is_true(seed: int) -> None:
    books = invented_books(seed)
    student = invented_student(seed + 1, books)
    catalog = books.catalog
    out = exclude(catalog, Known(seen=student.read), BookFilter())
    scores = score_books(books, [student], out.unread[None], TermWeights(rating=0.1))
    read = {catalog.book_ids[row] for row in student.read}
    for book in np.flatnonzero(out.allowed)[::5].tolist():
        gathered = evidence_for(Witness(books, student, scores, 0), book)
        assert 1 <= len(gathered) <= 3
        for fact in gathered:
            assert is_true(fact, books, student, book, read)


def test_the_strongest_loans_are_named_first_and_disliked_ones_never() -> None:
    books, student = invented_books(4), invented_student(9, invented_books(4), loans=12)
    history, weights = student.history, books.weights
    assert weights is not None
    everything = np.ones((1, len(books.catalog)), np.bool_)
    witness = Witness(books, student, score_books(books, [student], everything), 0)
    for book in range(len(books.catalog)):
        amounts = {
            int(row): float(weights.values[row][weights.books[row] == book].sum()) * float(weight)
            for row, weight in zip(history.books, history.weights, strict=True)
            if weight > 0
        }
        by_hand = sorted((row for row in amounts if amounts[row] > 0), key=lambda r: -amounts[r])
        assert strongest_loans(witness, book) == by_hand[:2]


def test_of_a_book_that_nothing_speaks_for_its_readers_are_counted() -> None:
    bare = BookArrays(invented_books(1).catalog, popularity=np.array([3, 0] + [1] * 58, np.float32))
    scores = score_books(bare, [Student()], np.ones((1, 60), np.bool_))
    witness = Witness(bare, Student(), scores, 0)
    assert evidence_for(witness, 0) == [facts.Popular(3)]
    assert evidence_for(witness, 1) == [facts.Unborrowed()]


def test_the_source_is_the_largest_part_and_never_the_level() -> None:
    parts = dict.fromkeys(("readers", "content", "trending"), 0.1) | {"series": 0.2, "level": 0.9}
    assert source_of(parts) == "series"
    assert source_of({"readers": 0.0, "rating": 0.3}) == "popular"
