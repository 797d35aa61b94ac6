"""Evaluating: nothing is learned from what is held out, and better is measured as better."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.books import baselines, tuning
from workers.books.as_of import histories_of, library_as_of, nearest
from workers.books.catalog import Book, build_catalog
from workers.books.evaluation import BLEND, POPULAR, SHOWN, Library, evaluate
from workers.books.history import History
from workers.books.loans import Loans, hold_out_newest, make_loans, number_loans, split_in_time
from workers.books.model import most_borrowed, solve_model
from workers.books.quality_table import quality_table
from workers.books.score import DEFAULT_WEIGHTS
from workers.books.tuning import DEFAULT_RIDGE, choose_model, choose_weights, top

pytestmark = pytest.mark.slow

STUDENTS, BOOKS = 150, 60


def invented_loans(seed: int = 0) -> Loans:
    """Three tastes of twenty books; whoever has a taste borrows by it nine times of ten."""
    rng = np.random.default_rng(seed)
    taste = np.repeat(np.arange(STUDENTS) % 3, 14)
    strays = rng.random(len(taste)) < 0.1
    books = np.where(
        strays, rng.integers(0, BOOKS, len(taste)), taste * 20 + rng.integers(0, 20, len(taste))
    )
    return make_loans(
        np.repeat(np.arange(STUDENTS), 14),
        books,
        rng.uniform(0, 300, len(taste)),
        shape=(STUDENTS, BOOKS),
    )


def invented_library() -> Library:
    rng = np.random.default_rng(5)
    catalog = build_catalog(
        Book(f"B{row:02}", genres=("abc"[row // 20],), level=3 + row % 3) for row in range(BOOKS)
    )
    vectors = catalog.genres + rng.normal(0, 0.3, (BOOKS, 3))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Library(catalog, units.astype(np.float32))


LOANS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 9)), min_size=1, max_size=60
).map(lambda rows: make_loans(*np.array(rows).T, shape=(5, 7)))


@given(LOANS)
def test_a_split_in_time_holds_out_everything_after_one_moment(loans: Loans) -> None:
    split = split_in_time(loans, 0.3)
    assert (split.known.times <= split.at).all()
    assert len(split.known) == (loans.times <= split.at).sum()
    known = split.known.matrix().toarray()
    later = loans.take(loans.times > split.at).matrix().toarray()
    heard = known.sum(axis=0) > 0
    assert (split.relevant.toarray() == later * (1 - known) * heard).all()
    assert (split.unheard.toarray() == later * (1 - known) * ~heard).all()
    has = split.relevant.toarray().sum(axis=1) > 0
    assert split.readers.tolist() == np.flatnonzero(has & (known.sum(axis=1) > 0)).tolist()
    assert split.newcomers.tolist() == np.flatnonzero(has & (known.sum(axis=1) == 0)).tolist()


@given(LOANS)
def test_the_newest_loans_of_whoever_has_enough_are_held_out(loans: Loans) -> None:
    known = hold_out_newest(loans, count=2, at_least=4).known
    for student in range(5):
        before, after = (np.sort(each.times[each.students == student]) for each in (loans, known))
        kept = len(before) - 2 if len(before) > 4 else len(before)
        assert after.tolist() == before[:kept].tolist()


def test_of_loans_on_one_day_the_last_ones_are_held_out() -> None:
    loans = make_loans([0] * 6, range(6), [7] * 6, shape=(1, 6))
    assert hold_out_newest(loans, count=2, at_least=3).known.books.tolist() == [0, 1, 2, 3]


def test_loans_are_numbered_by_the_ids_of_students_and_the_rows_of_books() -> None:
    catalog = build_catalog([Book("x"), Book("y")])
    rows = [("t", "y", 3.0, None), ("s", "gone", 1.0, 2.0), ("s", "x", 2.0, 5.0)]
    loans, students = number_loans(rows, catalog)
    assert students == ("s", "t")
    assert (loans.students.tolist(), loans.books.tolist()) == ([1, 0], [1, 0])
    assert loans.ratings.tolist()[1] == 5
    assert loans.shape == (2, 2)


def test_a_model_of_the_most_borrowed_books_gives_the_others_no_weights() -> None:
    loans = invented_loans()
    model = solve_model(loans, ridge=10, max_books=25)
    readers = loans.popularity()
    assert len(model.rows) == 25
    assert readers[model.rows].min() >= np.delete(readers, model.rows).max()
    whole = model.in_catalog(BOOKS)
    left_out = np.setdiff1d(np.arange(BOOKS), model.rows)
    assert not whole.values[left_out].any()
    assert not np.isin(whole.books[whole.values != 0], left_out).any()


def test_books_without_readers_are_in_no_model() -> None:
    loans = make_loans([0, 1], [2, 2], [0, 0], shape=(2, 4))
    assert most_borrowed(loans, 9).tolist() == [2]


def test_the_k_best_allowed_books_come_in_order_and_the_lower_row_first() -> None:
    scores = np.array([[1, 5, 5, 5, 0], [0, 0, 0, 0, 0]], np.float32)
    allowed = np.array([[True, False, True, True, True], [True] + [False] * 4])
    assert top(scores, allowed, 3).tolist() == [[2, 3, 0], [0, -1, -1]]


def test_neighbours_are_the_nearest_without_oneself() -> None:
    profiles = np.array([[1, 0], [2, 0.1], [0, 1], [0, 0]], np.float32)
    found = nearest(profiles, 2)
    assert [[other for other, _ in near] for near in found] == [[1], [0, 2], [1], []]


def test_item_knn_adds_up_cosines_by_hand() -> None:
    loans = make_loans([0, 0, 1, 1, 2], [0, 1, 0, 1, 1], [0] * 5, shape=(3, 3))
    only_first = [History(np.array([0], np.int32), np.ones(1, np.float32))]
    scores = baselines.item_knn(loans, only_first)(np.array([0], np.int32))
    assert scores == pytest.approx(np.array([[0, 2 / 6**0.5, 0]]))


def test_recently_popular_counts_the_last_thirty_days() -> None:
    loans = make_loans([0, 1, 2], [0, 0, 1], [10, 20, 95], shape=(3, 2))
    scores = baselines.recently_popular(loans, 100)(np.array([0, 2], np.int32))
    assert (scores[:, 1] > scores[:, 0]).all()
    assert baselines.popular(loans)(np.array([1], np.int32)).tolist() == [[2, 1]]


def test_a_few_readers_choose_nothing() -> None:
    loans = make_loans([0, 0, 1, 1] * 3, range(12), range(12), shape=(2, 12))
    choice = choose_model(split_in_time(loans, 0.3))
    assert (choice.ridge, choice.half_life, choice.tried) == (DEFAULT_RIDGE, 10.0, ())


def test_of_choices_that_are_as_good_within_chance_the_nearest_to_the_defaults_is_taken() -> None:
    rng = np.random.default_rng(0)
    default = rng.random(200)
    found = {0: default, 1: default + rng.normal(0.001, 0.2, 200)}
    assert tuning.nearest_of_the_best(found, float) == 0
    better = default + 0.1
    found |= {2: better, 3: better + rng.normal(0.001, 0.2, 200)}
    assert tuning.nearest_of_the_best(found, float) == 2


def test_weights_are_chosen_for_what_foresees_loans() -> None:
    split, library = split_in_time(invented_loans(), 0.3), invented_library()
    noise = np.random.default_rng(1).normal(size=(BOOKS, 8)).astype(np.float32)
    model = solve_model(split.known, ridge=10)
    as_of = library_as_of(
        split.known,
        split.at,
        library.catalog,
        noise,
        model.in_catalog(BOOKS),
        histories_of(split.known, 10),
    )
    chosen = choose_weights(replace(choose_model(split), ridge=10), as_of, split)
    assert chosen.weights.readers > DEFAULT_WEIGHTS.readers
    assert chosen.weights.content < DEFAULT_WEIGHTS.content
    assert len([tried for tried in chosen.tried if tried.weights]) >= 286


def test_the_blend_beats_popular_books_where_readers_have_tastes() -> None:
    report = evaluate(invented_loans(), invented_library())
    assert report.skipped == ()
    blend = report.of(BLEND)
    assert blend.against.mean == 0
    for name in (POPULAR, "recently popular"):
        assert report.of(name).against.high < 0
    assert blend.coverage > report.of(POPULAR).coverage
    assert report.of(SHOWN).ndcg.mean > report.of(POPULAR).ndcg.mean
    assert report.readers > 30
    lines = "\n".join(quality_table(report))
    assert f"{blend.ndcg.mean:.4f}" in lines
    assert lines.index("blend") < lines.index("popular")


def test_what_is_held_out_changes_no_choice_and_no_list() -> None:
    loans, library = invented_loans(), invented_library()
    test = split_in_time(loans)
    late = loans.times > test.at
    others = np.where(late, (loans.books + 7) % BOOKS, loans.books).astype(np.int32)
    reports = [
        evaluate(each, library, with_ials=False) for each in (loans, replace(loans, books=others))
    ]
    assert reports[0].choice == reports[1].choice
    assert reports[0].skipped == ("iALS",)


def test_newcomers_and_books_unheard_of_are_reported_apart() -> None:
    loans = invented_loans()
    day = float(loans.times.max()) + 1
    grown = make_loans(
        [*loans.students, STUDENTS, 0],
        [*loans.books, 3, BOOKS],
        [*loans.times, day, day],
        shape=(STUDENTS + 1, BOOKS + 1),
    )
    library = invented_library()
    catalog = build_catalog(
        [
            *(Book(f"B{row:02}", genres=("abc"[row // 20],)) for row in range(BOOKS)),
            Book("Z", added=date(2026, 1, 1) + timedelta(days=1)),
        ]
    )
    vectors = np.concatenate([library.vectors, np.zeros((1, 3), np.float32)])
    report = evaluate(grown, Library(catalog, vectors), with_ials=False)
    assert (report.newcomers, report.unheard) == (1, 1)
    assert 0 <= report.newcomers_ndcg <= 1
