"""How loans are weighed, and what each term makes of them."""

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.books import terms, trends
from workers.books.book_weights import BookWeights
from workers.books.catalog import Book, Catalog, build_catalog
from workers.books.history import DISLIKED, NO_HISTORY, History, decay, grade_loans
from workers.books.terms import Neighbor

# By hand: EASE of RECOMMENDATIONS with λ = 1 and the loans {a, b}, {a, b}, {b, c}.
BY_HAND = BookWeights(
    np.array([[1, 2], [0, 2], [0, 1]], np.int32),
    np.array([[2 / 3, -1 / 4], [4 / 7, 3 / 8], [-2 / 7, 1 / 2]], np.float32),
)
ALL = np.ones((1, 3), np.float32)


def history(*books: int, weights: list[float] | None = None) -> History:
    given_weights = decay(len(books)) if weights is None else np.array(weights, np.float32)
    return History(np.array(books, np.int32), given_weights)


def test_a_half_life_of_three_loans_by_hand() -> None:
    assert decay(4, half_life=3) == pytest.approx([1, 0.7937, 0.6300, 0.5], abs=5e-5)


def test_a_book_borrowed_twice_counts_once_with_its_newest_date() -> None:
    found = grade_loans([5, 6, 5, 7], [10, 20, 30, 25], half_life=1)
    assert found.books.tolist() == [5, 7, 6]
    assert found.weights.tolist() == [1, 0.5, 0.25]


def test_of_loans_on_one_day_the_last_is_the_newest() -> None:
    assert grade_loans([1, 2, 3], [9, 9, 9]).books.tolist() == [3, 2, 1]


def test_only_the_newest_hundred_books_count() -> None:
    assert len(grade_loans(range(250), range(250))) == 100
    assert grade_loans(range(250), range(250)).books[0] == 249


def test_a_book_rated_low_counts_for_nothing_and_a_disliked_one_against_its_like() -> None:
    found = grade_loans([1, 2, 3, 4], [1, 2, 3, 4], [DISLIKED, 2, math.nan, 3], half_life=1)
    assert found.weights.tolist() == [1, 0.5, 0, -0.125]
    assert found.liked.books.tolist() == [4, 3]


def test_the_newest_rating_of_a_book_counts_also_when_its_newest_loan_has_none() -> None:
    assert grade_loans([1, 1, 1], [1, 2, 3], [5, 1, math.nan]).weights.tolist() == [0]
    assert grade_loans([1, 1], [1, 2], [1, 4]).weights.tolist() == [1]


def test_a_book_that_is_gone_does_not_count() -> None:
    assert grade_loans([-1, 4], [2, 1]).books.tolist() == [4]
    assert grade_loans([-1, 4], [2, 1]).weights.tolist() == [1]


@given(
    st.lists(
        st.tuples(
            st.integers(-1, 8), st.integers(0, 5), st.sampled_from([DISLIKED, 1, 3, math.nan])
        )
    )
)
def test_a_history_is_what_a_loop_over_the_loans_gives(
    loans: list[tuple[int, int, float]],
) -> None:
    found = grade_loans(*np.array(loans).reshape(-1, 3).T, half_life=2, newest=4)
    newest_first = [loans[i] for i in sorted(range(len(loans)), key=lambda i: (-loans[i][1], -i))]
    books = list(dict.fromkeys(book for book, *_ in newest_first if book >= 0))[:4]
    assert found.books.tolist() == books
    for rank, book in enumerate(books):
        rated = [r for other, _, r in newest_first if other == book and not math.isnan(r)]
        signs = {DISLIKED: -1, 1: 0}
        sign = signs.get(int(rated[0]), 1) if rated else 1
        assert found.weights[rank] == pytest.approx(sign * 0.5 ** (rank / 2))


def test_a_reader_of_a_gets_b_by_hand_and_c_is_clipped() -> None:
    sums = terms.readers(BY_HAND, [history(0)])
    assert sums == pytest.approx(np.array([[0, 2 / 3, -1 / 4]]))
    assert terms.share_of_best(sums, ALL).tolist() == [[0, 1, 0]]


def test_a_disliked_book_is_subtracted() -> None:
    sums = terms.readers(BY_HAND, [history(0, weights=[-1])])
    assert sums == pytest.approx(np.array([[0, -2 / 3, 1 / 4]]))


def test_students_of_a_class_do_not_mix() -> None:
    together = terms.readers(BY_HAND, [history(0), NO_HISTORY, history(2, 1)])
    alone = [terms.readers(BY_HAND, [each])[0] for each in (history(0), NO_HISTORY, history(2, 1))]
    assert together == pytest.approx(np.array(alone))
    assert not together[1].any()


def test_what_is_divided_by_a_maximum_of_zero_is_zero() -> None:
    values = np.array([[-1, 0, 0], [-2, -1, 5]], np.float32)
    only_first = np.array([[1, 1, 1], [1, 1, 0]], np.float32)
    assert terms.share_of_best(values, only_first).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_the_best_candidate_is_one_and_what_is_none_is_zero() -> None:
    values = np.array([[8, 2, 4]], np.float32)
    candidates = np.array([[0, 1, 1]], np.float32)
    assert terms.share_of_best(values, candidates).tolist() == [[0, 0.5, 1]]


def test_content_is_the_likeness_to_the_mean_of_what_was_liked() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    taste = terms.tastes(vectors, [history(0, 1, weights=[1, 1])], [None])
    assert taste == pytest.approx(np.array([[2**-0.5, 2**-0.5]]))
    assert terms.content(vectors, taste)[0, 2] == pytest.approx(1.4 * 2**-0.5)


def test_a_disliked_book_says_nothing_of_taste() -> None:
    vectors = np.eye(2, dtype=np.float32)
    found = terms.tastes(vectors, [history(0, 1, weights=[1, -0.5])], [None])
    assert found.tolist() == [[1, 0]]


def test_without_books_the_profile_is_the_taste_and_without_both_there_is_none() -> None:
    vectors = np.zeros((3, 2), np.float32)
    profile = np.array([0, 2], np.float32)
    found = terms.tastes(vectors, [history(1), NO_HISTORY], [profile, None])
    assert found.tolist() == [[0, 1], [0, 0]]


def test_neighbours_count_by_similarity_and_recency() -> None:
    group = [
        Neighbor(0.5, history(0, 1, weights=[1, 0.5])),
        Neighbor(0.25, history(1, weights=[1])),
    ]
    assert terms.neighbors([group, []], 3).tolist() == [[0.5, 0.5, 0], [0, 0, 0]]


def test_level_is_a_gaussian_around_the_level_that_the_slope_promises() -> None:
    books = np.array([4.0, 4.5, 5.5, math.nan], np.float32)
    found = terms.level(books, np.array([4.0, math.nan]), np.array([0.5, 0.5]))
    assert found[0] == pytest.approx([math.exp(-0.125), 1, math.exp(-0.5), 0])
    assert not found[1].any()


def test_a_steep_slope_promises_half_a_grade_at_most() -> None:
    books = np.array([4.5], np.float32)
    assert terms.level(books, np.array([4.0]), np.array([7.0])).tolist() == [[1]]
    no_slope = terms.level(books, np.array([4.5]), np.array([math.nan]))
    assert no_slope.tolist() == [[1]]


def catalog_of_series() -> Catalog:
    books = [
        *(Book(f"a{n}", series="A", series_number=n) for n in (1, 2, 3, 4)),
        *(Book(f"b{n}", series="B", series_number=n) for n in (1, 2)),
        Book("c", series="B"),
        Book("d"),
    ]
    return build_catalog(books)


@pytest.mark.parametrize(
    ("read", "following"),
    [
        ((), {}),
        (("a1",), {"a2": "a1"}),
        (("a1", "a3"), {"a2": "a1"}),
        (("a3", "b1"), {"a4": "a3", "b2": "b1"}),
        (("a4",), {}),
        (("b1", "b2", "c", "d"), {}),
        (("c",), {}),
    ],
)
def test_the_next_unread_volume_of_a_series_begun(
    read: tuple[str, ...], following: dict[str, str]
) -> None:
    catalog = catalog_of_series()
    marks, before = terms.next_in_series(catalog, [catalog.rows_of(read)])
    ids = catalog.book_ids
    assert {ids[book]: ids[last] for book, last in before[0].items()} == following
    assert {ids[book] for book in np.flatnonzero(marks[0])} == set(following)


def test_another_edition_of_a_volume_read_is_not_the_next_one() -> None:
    numbers = {"1 bound": 1, "1 paper": 1, "2 bound": 2, "2 paper": 2}
    catalog = build_catalog(
        Book(book_id, series="A", series_number=number) for book_id, number in numbers.items()
    )
    _, before = terms.next_in_series(catalog, [catalog.rows_of(["1 bound"])])
    ids = catalog.book_ids
    assert {ids[book]: ids[last] for book, last in before[0].items()} == {
        "2 bound": "1 bound",
        "2 paper": "1 bound",
    }


def test_few_ratings_are_drawn_to_the_mean_of_all() -> None:
    totals = np.array([5, 400, 0], np.float32)
    counts = np.array([1, 100, 0], np.float32)
    mean = 405 / 101
    found = terms.bayesian_rating(totals, counts, prior_count=5)
    by_hand = [((5 + 5 * mean) / 6 - 1) / 4, ((400 + 5 * mean) / 105 - 1) / 4, (mean - 1) / 4]
    assert found == pytest.approx(by_hand, abs=1e-6)
    assert not terms.bayesian_rating(np.zeros(2, np.float32), np.zeros(2, np.float32)).any()


def test_trends_halve_in_a_month_and_hold_the_grades_beside() -> None:
    grades = np.array([trends.grade_row(g) for g in (3, 4, 6, None)], np.int32)
    found = trends.trending(np.array([0, 0, 1, 1]), [0, 15, 0, 29], grades, 2)
    assert found[trends.grade_row(4), 0] == pytest.approx(1 + 0.5**0.5)
    assert found[trends.grade_row(5)].tolist() == pytest.approx([0.5**0.5, 1])
    assert found[trends.grade_row(1)].tolist() == [0, 0]
    assert found[trends.grade_row(13)].tolist() == [0, 0]
    assert found[trends.EVERYONE] == pytest.approx([1 + 0.5**0.5, 1 + 0.5 ** (29 / 30)])


def test_old_loans_those_of_tomorrow_and_of_books_that_are_gone_are_no_trend() -> None:
    grades = np.zeros(3, np.int32)
    assert not trends.trending(np.array([0, 0, -1]), [30, -1, 0], grades, 1).any()


def test_a_catalogue_is_sorted_by_id_and_says_what_is_unknown() -> None:
    catalog = build_catalog(
        [
            Book(
                "z", author=" J. Doe", level=3, genres=["Fantasy ", "War"], added=date(1970, 1, 2)
            ),
            Book("a", author="j.  doe", language="EN", copies_available=0),
        ]
    )
    assert catalog.book_ids == ("a", "z")
    assert catalog.author[0] == catalog.author[1]
    assert math.isnan(catalog.level[0])
    assert catalog.genre_names == ("fantasy", "war")
    assert catalog.genres.tolist() == [[False, False], [True, True]]
    assert (catalog.language.tolist(), catalog.series.tolist()) == ([0, -1], [-1, -1])
    assert catalog.copies_available.tolist() == [0, -1]
    assert catalog.added.tolist() == [-1, 1]
    assert catalog.rows_of(["z", "unknown", "a"]).tolist() == [1, 0]


def test_a_catalogue_names_no_book_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        build_catalog([Book("a"), Book("a")])


def test_an_empty_catalogue_has_no_rows() -> None:
    assert len(build_catalog([])) == 0
