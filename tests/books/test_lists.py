"""From scores to a list: diversity, caps, new arrivals, classes, and what is given up."""

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.books.worlds import invented_books, invented_student
from workers.books.catalog import Book, Catalog, build_catalog
from workers.books.diversity import Caps, choose
from workers.books.exclusions import RULES, BookFilter, Exclusions, Known, Rule, exclude
from workers.books.groups import blend_group, group_parts
from workers.books.score import BookArrays, Student, score_books
from workers.books.select_books import best_first, fit_of_arrivals, select_books
from workers.books.widening import Degraded, Wish, what_is_missing, widen

NO_CAPS = Caps(None, None)


def codes(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


def floats(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def test_mmr_by_hand_takes_the_third_book_second() -> None:
    # After the first .7 * .9 - .3 * .9 = .36 for the second, .7 * .8 - .3 * .1 = .53 for the third
    vectors = np.array([[1, 0], [0.9, 0.19**0.5], [0.1, 0.99**0.5]], np.float32)
    none = codes(-1, -1, -1)
    chosen = choose(floats(1, 0.9, 0.8), vectors, none, none, limit=3, diversity=0.3)
    assert chosen.places == [0, 2, 1]


def test_without_diversity_the_order_is_that_of_relevance() -> None:
    vectors = np.ones((4, 1), np.float32)
    none = codes(-1, -1, -1, -1)
    chosen = choose(floats(4, 3, 3, 1), vectors, none, none, limit=4, diversity=0)
    assert chosen.places == [0, 1, 2, 3]


def test_two_of_an_author_and_one_of_a_series_are_enough() -> None:
    relevance = floats(9, 8, 7, 6, 5, 4)
    author, series = codes(1, 1, 1, 2, 3, -1), codes(-1, -1, -1, 5, 5, -1)
    chosen = choose(relevance, None, author, series, limit=6)
    assert chosen.places == [0, 1, 3, 5]
    assert chosen.capped == {2: Rule.AUTHOR, 4: Rule.SERIES}
    assert len(choose(relevance, None, author, series, limit=6, caps=NO_CAPS).places) == 6


def test_caps_that_empty_the_pool_let_later_books_in() -> None:
    books = [Book(f"{n:03}", author="one" if n < 150 else f"author {n}") for n in range(160)]
    order = np.arange(160, 0, -1).astype(np.float32)
    chosen = select_books(order, np.ones(160, np.bool_), build_catalog(books), None, limit=10)
    assert chosen.books == [0, 1, *range(150, 158)]


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 30))
def test_the_best_come_first_and_of_equal_ones_the_lower_row(values: list[int], n: int) -> None:
    allowed = np.array([value != 2 for value in values], np.bool_)
    by_hand = sorted((row for row, ok in enumerate(allowed) if ok), key=lambda r: -values[r])
    assert best_first(floats(*values), allowed, n).tolist() == by_hand[:n]


def catalog_with_arrivals() -> Catalog:
    books = [Book(f"{n:02}", added=None) for n in range(30)]
    books[20] = replace(books[20], added=date(2026, 4, 1))
    return build_catalog(books)


def test_the_tenth_place_is_an_arrivals_that_fits() -> None:
    catalog = catalog_with_arrivals()
    order = np.arange(30, 0, -1).astype(np.float32)
    fit = fit_of_arrivals(catalog, np.full(30, 0.5, np.float32), None, int(catalog.added[20]) + 60)
    assert np.flatnonzero(fit).tolist() == [20]
    everything = np.ones(30, np.bool_)
    chosen = select_books(order, everything, catalog, None, limit=15, arrival_fit=fit)
    assert chosen.books == [*range(9), 20, *range(9, 14)]
    assert chosen.arrivals == {20}
    short = select_books(order, everything, catalog, None, limit=9, arrival_fit=fit)
    assert short.books == list(range(9))


def test_an_arrival_is_new_for_sixty_days_and_has_to_fit() -> None:
    catalog = catalog_with_arrivals()
    some = np.full(30, 0.5, np.float32)
    assert not fit_of_arrivals(catalog, some, None, int(catalog.added[20]) + 61).any()
    assert not fit_of_arrivals(catalog, 0 * some, 0 * some, int(catalog.added[20])).any()


def test_an_arrival_that_may_not_be_shown_or_is_there_already_takes_no_place() -> None:
    catalog = catalog_with_arrivals()
    order = np.arange(30, 0, -1).astype(np.float32)
    fit = np.zeros(30, np.float32)
    fit[20] = 1
    allowed = np.ones(30, np.bool_)
    allowed[20] = False
    hidden = select_books(order, allowed, catalog, None, limit=10, arrival_fit=fit)
    assert (hidden.books, hidden.arrivals) == (list(range(10)), frozenset())
    order[20] = 99
    first = select_books(order, np.ones(30, np.bool_), catalog, None, limit=10, arrival_fit=fit)
    assert (first.books, first.arrivals) == ([20, *range(9)], frozenset())


def test_a_class_gets_the_average_and_who_may_not_have_a_book_gives_nothing() -> None:
    rankings = np.array([[0.9, 0.2, 0.4], [0.3, 0.6, 0.4]], np.float32)
    members = [
        Exclusions(np.array([-1, -1, -1], np.int8)),
        Exclusions(np.array([-1, 3, -1], np.int8)),
    ]
    group = blend_group(rankings, members)
    assert group.ranking == pytest.approx([0.6, 0.1, 0.4])
    assert group.suited.tolist() == [2, 1, 2]
    assert group.exclusions.allowed.all()
    assert (group.read_by(1), group.read_by(0)) == ([1], [])


def test_what_is_kept_from_most_of_a_class_is_vetoed_by_the_rule_that_did_most() -> None:
    level, seen = 6, 3
    assert RULES[level] is Rule.LEVEL
    members = [Exclusions(np.array([rule], np.int8)) for rule in (level, level, seen, -1, -1)]
    group = blend_group(np.ones((5, 1), np.float32), members)
    assert group.exclusions.counts() == {"level": 1}
    half = blend_group(np.ones((4, 1), np.float32), members[1:])
    assert half.exclusions.allowed.all()


@given(st.integers(0, 1000))
def test_parts_of_a_class_sum_to_its_average(seed: int) -> None:
    books = invented_books(seed)
    students = [invented_student(seed + place, books) for place in range(5)]
    outs = [exclude(books.catalog, Known(seen=s.read), BookFilter()) for s in students]
    scores = score_books(books, students, np.stack([out.unread for out in outs]))
    group = blend_group(scores.totals, outs)
    for book in range(0, len(books.catalog), 7):
        parts = group_parts(scores, group, book)
        assert math.fsum(parts.values()) == pytest.approx(float(group.ranking[book]), abs=1e-6)


def given_up(wish: Wish) -> list[Degraded]:
    steps: list[Degraded] = []
    while (wider := widen(wish, frozenset(steps), 0, 5)) is not None:
        wish = wider.wish
        steps.append(wider.gave_up)
    return steps


def test_what_the_house_chose_is_given_up_step_by_step() -> None:
    usual = Wish(BookFilter(levels=(2.5, 5)))
    assert given_up(usual) == ["shown_again", "levels_wider", "levels_any", "caps_lifted"]
    first = widen(usual, frozenset({Degraded.SHOWN_AGAIN}), 4, 5)
    assert first is not None
    assert first.wish.filter.levels == (1.5, 6)


def test_what_a_request_asked_for_is_never_given_up() -> None:
    asked = Wish(BookFilter(levels=(2, 3), levels_asked=True, genres=frozenset({"war"})), NO_CAPS)
    assert given_up(asked) == ["shown_again"]


def test_enough_books_give_nothing_up() -> None:
    assert widen(Wish(BookFilter(levels=(2, 3))), frozenset(), 5, 5) is None


def test_an_answer_says_what_it_did_without() -> None:
    books = invented_books(1)
    assert what_is_missing(books, Student()) == [Degraded.NO_LOANS, Degraded.NO_NEIGHBORS]
    bare = what_is_missing(BookArrays(books.catalog), invented_student(2, books, loans=9))
    assert set(bare) >= {Degraded.NO_MODEL, Degraded.NO_VECTORS}
    assert Degraded.NO_LOANS not in bare
