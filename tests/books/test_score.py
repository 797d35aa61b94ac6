"""Scores: parts that sum up, terms in [0, 1], and rules that hold whatever is drawn."""

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.books.worlds import TODAY, invented_books, invented_student
from workers.books.catalog import Book, build_catalog, days_since_1970
from workers.books.exclusions import (
    BookFilter,
    Exclusions,
    Known,
    Rule,
    exclude,
    level_window,
)
from workers.books.score import (
    TERMS,
    BookArrays,
    Scores,
    Student,
    TermWeights,
    ranking,
    score_books,
)
from workers.books.select_books import Selection, fit_of_arrivals, select_books

pytestmark = pytest.mark.slow

SEEDS = st.integers(0, 10_000)


class Answer(NamedTuple):
    """A student's list, and what it was made of."""

    books: BookArrays
    known: Known
    wanted: BookFilter
    out: Exclusions
    scores: Scores
    chosen: Selection


def answer(seed: int, limit: int = 12) -> Answer:
    """One student's list as a request would make it."""
    books, student = invented_books(seed), invented_student(seed + 1, invented_books(seed))
    rng = np.random.default_rng(seed + 2)
    drawn = rng.integers(0, len(books.catalog), (5, 3)).astype(np.int32)
    deleted, hidden, disliked, excluded, shown = drawn
    known = Known(deleted, hidden, disliked, student.read, excluded, shown)
    wanted = BookFilter(
        levels=level_window(student.level),
        genres=None if seed % 2 else frozenset({"Dogs", "war"}),
        language=None if seed % 3 else "EN",
    )
    out = exclude(books.catalog, known, wanted)
    weights = TermWeights(rating=0.1)
    scores = score_books(books, [student], out.unread[None], weights)
    order = ranking(scores, books.popularity)[0]
    fit = fit_of_arrivals(
        books.catalog, scores.terms["content"][0], scores.terms["level"][0], days_since_1970(TODAY)
    )
    chosen = select_books(
        order, out.allowed, books.catalog, books.vectors, limit=limit, arrival_fit=fit
    )
    return Answer(books, known, wanted, out, scores, chosen)


@given(SEEDS)
def test_parts_sum_to_the_score_and_terms_are_between_zero_and_one(seed: int) -> None:
    made = answer(seed)
    scores, chosen = made.scores, made.chosen
    assert set(scores.terms) <= set(TERMS)
    for values in scores.terms.values():
        assert values.min() >= 0
        assert values.max() <= 1
    for book in chosen.books:
        parts = scores.parts(0, book)
        assert tuple(parts) == TERMS
        assert math.fsum(parts.values()) == pytest.approx(float(scores.totals[0, book]), abs=1e-6)


@given(SEEDS)
def test_a_list_has_no_book_twice_none_seen_or_kept_out_and_fits_the_filter(seed: int) -> None:
    books, known, wanted, out, _, chosen = answer(seed)
    catalog = books.catalog
    assert len(set(chosen.books)) == len(chosen.books) <= 12
    shunned = [known.deleted, known.hidden, known.disliked, known.seen, known.excluded, known.shown]
    assert not set(chosen.books) & set(np.concatenate(shunned).tolist())
    for book in chosen.books:
        assert out.rule_of(book) is None
        level = float(catalog.level[book])
        if wanted.levels is not None:
            assert math.isnan(level) or wanted.levels[0] - 1e-6 <= level <= wanted.levels[1] + 1e-6
        if wanted.genres is not None:
            names = {catalog.genre_names[g] for g in np.flatnonzero(catalog.genres[book])}
            assert names & {"dogs", "war"}
        if wanted.language is not None:
            assert catalog.language_names[catalog.language[book]] == "en"
        assert catalog.copies_available[book] != 0
    for codes, cap in ((catalog.author, 2), (catalog.series, 1)):
        counts = np.unique(codes[[b for b in chosen.books if codes[b] >= 0]], return_counts=True)[1]
        assert counts.max(initial=0) <= cap


@given(SEEDS)
def test_a_list_is_short_only_when_rules_and_caps_leave_no_more(seed: int) -> None:
    made = answer(seed)
    if len(made.chosen.books) < 12:
        left = set(np.flatnonzero(made.out.allowed).tolist()) - set(made.chosen.books)
        assert left == set(made.chosen.capped)


@given(SEEDS)
def test_the_same_input_gives_the_same_answer(seed: int) -> None:
    first, second = answer(seed), answer(seed)
    assert first.chosen == second.chosen
    assert (first.scores.totals == second.scores.totals).all()


@given(SEEDS)
def test_a_student_of_a_class_scores_as_alone(seed: int) -> None:
    books = invented_books(seed)
    students = [invented_student(seed + place, books) for place in range(4)]
    candidates = np.ones((4, len(books.catalog)), np.bool_)
    together = score_books(books, students, candidates)
    for place, student in enumerate(students):
        alone = score_books(books, [student], candidates[:1])
        assert together.totals[place] == pytest.approx(alone.totals[0], abs=1e-6)
        assert together.volumes[place] == alone.volumes[0]


@given(SEEDS)
def test_a_filter_does_not_change_a_score(seed: int) -> None:
    books, student = invented_books(seed), invented_student(seed, invented_books(seed))
    known = Known(seen=student.read)
    narrow = exclude(books.catalog, known, BookFilter(levels=(3, 4), language="sv"))
    wide = exclude(books.catalog, known, BookFilter())
    for out in (narrow, wide):
        assert (out.unread == ~np.isin(np.arange(len(books.catalog)), student.read)).all()


@given(SEEDS)
def test_every_book_that_is_kept_out_is_counted_once(seed: int) -> None:
    out = answer(seed).out
    assert sum(out.counts().values()) + out.allowed.sum() == len(out.rules)
    named = [out.rule_of(book) for book in range(len(out.rules))]
    assert out.counts() == {rule.value: named.count(rule) for rule in Rule if named.count(rule) > 0}


def test_a_loan_counts_in_the_next_answer_and_its_book_is_left_out() -> None:
    books = invented_books(3)
    before, after = Student(), invented_student(5, books, loans=1)
    candidates = exclude(books.catalog, Known(seen=after.read), BookFilter()).unread[None]
    assert not score_books(books, [before], candidates).terms["readers"].any()
    scores = score_books(books, [after], candidates)
    assert scores.terms["readers"].any()
    assert not scores.totals[0, after.read].any()


def test_a_term_that_weighs_nothing_or_is_not_known_has_a_part_of_zero() -> None:
    books = replace(invented_books(1), weights=None)
    student = invented_student(2, books, loans=5)
    everything = np.ones((1, len(books.catalog)), np.bool_)
    scores = score_books(books, [student], everything, TermWeights(rating=0))
    assert "readers" not in scores.terms
    assert scores.parts(0, 3)["readers"] == scores.parts(0, 3)["rating"] == 0.0


def test_without_anything_known_books_come_by_popularity_then_by_id() -> None:
    catalog = build_catalog([Book("a"), Book("b"), Book("c")])
    popularity = np.array([1, 5, 1], np.float32)
    scores = score_books(BookArrays(catalog), [Student()], np.ones((1, 3), np.bool_))
    order = ranking(scores, popularity)[0]
    chosen = select_books(order, np.ones(3, np.bool_), catalog, None, limit=3)
    assert chosen.books == [1, 0, 2]


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_a_weight_is_a_number_of_zero_or_more(weight: float) -> None:
    with pytest.raises(ValueError, match="readers"):
        TermWeights(readers=weight)


def test_the_first_rule_that_holds_is_the_one_that_is_named() -> None:
    catalog = build_catalog([Book("a", level=9, copies_available=0)])
    row = np.array([0], np.int32)
    wanted = BookFilter(levels=(1, 2), language="en", genres=frozenset({"war"}))
    known = Known(deleted=row, hidden=row, disliked=row, seen=row, excluded=row, shown=row)
    order = ["deleted", "hidden", "disliked", "seen", "excluded"]
    for place, rule in enumerate(order):
        fewer = replace(known, **{name: Known().seen for name in order[:place]})
        assert exclude(catalog, fewer, wanted).rule_of(0) == rule
    assert exclude(catalog, Known(shown=row), wanted).rule_of(0) is Rule.OUT
    wanted = replace(wanted, available=False)
    assert exclude(catalog, Known(shown=row), wanted).rule_of(0) is Rule.LEVEL
    wanted = replace(wanted, levels=None)
    assert exclude(catalog, Known(shown=row), wanted).rule_of(0) is Rule.GENRES
    wanted = replace(wanted, genres=None)
    assert exclude(catalog, Known(shown=row), wanted).rule_of(0) is Rule.LANGUAGE
    wanted = replace(wanted, language=None)
    assert exclude(catalog, Known(shown=row), wanted).rule_of(0) is Rule.SHOWN
    assert exclude(catalog, Known(), wanted).rule_of(0) is None


def test_an_unknown_level_fits_the_usual_window_and_no_level_that_was_asked_for() -> None:
    catalog = build_catalog([Book("a")])
    assert exclude(catalog, Known(), BookFilter(levels=(2, 5))).allowed.all()
    asked = BookFilter(levels=(2, 5), levels_asked=True)
    assert exclude(catalog, Known(), asked).counts() == {"level": 1}


def test_copies_count_only_when_they_are_known() -> None:
    catalog = build_catalog([Book("a"), Book("b", copies_available=1)])
    assert exclude(catalog, Known(), BookFilter(copies=2)).allowed.tolist() == [True, False]


def test_caps_are_counted_with_the_other_rules() -> None:
    out = Exclusions(np.array([-1, 3, 3, -1], np.int8))
    counts = out.counts([Rule.AUTHOR, Rule.AUTHOR, Rule.SERIES])
    assert counts == {"seen": 2, "author": 2, "series": 1}
