"""EASE: what a loan of one book says of another."""

import numpy as np
import pytest
from scipy import sparse

from workers.books import ease
from workers.books.book_weights import BookWeights, place_in_catalog
from workers.books.ease import solve_ease


def dense(weights: BookWeights) -> np.ndarray:
    matrix = np.zeros((len(weights.books), len(weights.books)))
    for row, (books, values) in enumerate(zip(weights.books, weights.values, strict=True)):
        np.add.at(matrix[row], books, values)
    return matrix


def random_loans(students: int, books: int, seed: int = 0) -> sparse.csr_array:
    drawn = np.random.default_rng(seed).random((students, books)) < 0.08
    return sparse.csr_array(drawn.astype(np.float32))


def by_definition(loans: sparse.csr_array, ridge: float) -> np.ndarray:
    books = loans.shape[1]
    inverse = np.linalg.inv((loans.T @ loans).toarray().astype(float) + ridge * np.eye(books))
    weights: np.ndarray = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def test_three_books_by_hand() -> None:
    loans = sparse.csr_array(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]], np.float32))
    by_hand = [[0, 2 / 3, -1 / 4], [4 / 7, 0, 3 / 8], [-2 / 7, 1 / 2, 0]]
    assert dense(solve_ease(loans, ridge=1)) == pytest.approx(np.array(by_hand), abs=1e-6)


@pytest.mark.parametrize("books", [1, 2, 7, 8, 9, 40])
def test_blocks_give_what_the_definition_gives(books: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "STEP", 4)
    monkeypatch.setattr(ease, "STRIP", 7)
    loans = random_loans(60, books)
    weights = dense(solve_ease(loans, ridge=3, kept=books))
    assert weights == pytest.approx(by_definition(loans, 3), abs=1e-5)


def test_the_largest_weights_by_magnitude_are_kept() -> None:
    loans = random_loans(200, 50)
    whole = by_definition(loans, 5)
    kept = solve_ease(loans, ridge=5, kept=10)
    assert kept.books.shape == kept.values.shape == (50, 10)
    for book in range(50):
        smallest = np.sort(np.abs(whole[book]))[-10]
        assert np.abs(kept.values[book]).min() == pytest.approx(smallest, abs=1e-5)
        assert kept.values[book] == pytest.approx(whole[book, kept.books[book]], abs=1e-5)
        assert len(set(kept.books[book])) == 10


def test_a_book_that_nobody_borrowed_speaks_for_none() -> None:
    loans = random_loans(30, 6).toarray()
    loans[:, 2] = 0
    weights = dense(solve_ease(sparse.csr_array(loans), ridge=1))
    assert not weights[2].any()
    assert not weights[:, 2].any()


def test_float32_is_close_to_float64_for_skewed_loans() -> None:
    generator = np.random.default_rng(1)
    popularity = np.minimum(0.6, 8 / np.arange(1, 701))
    loans = sparse.csr_array((generator.random((3000, 700)) < popularity).astype(np.float32))
    weights = dense(solve_ease(loans, ridge=50, kept=699))
    assert np.abs(weights - by_definition(loans, 50)).max() < 1e-4


def test_what_a_step_raises_ends_the_solve() -> None:
    def stop(_done: int, _steps: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        solve_ease(random_loans(20, 10), ridge=1, after_step=stop)


def test_steps_are_counted_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ease, "STEP", 4)
    seen: list[tuple[int, int]] = []
    solve_ease(
        random_loans(20, 10), ridge=1, after_step=lambda done, steps: seen.append((done, steps))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_weights_move_to_the_rows_of_a_catalogue() -> None:
    loans = random_loans(80, 4)
    whole = by_definition(loans, 2)
    placed = dense(
        place_in_catalog(solve_ease(loans, ridge=2), np.array([5, 1, -1, 0], np.int32), 6)
    )
    expected = np.zeros((6, 6))
    places = [(5, 0), (1, 1), (0, 3)]
    for row, book in places:
        for column, other in places:
            expected[row, column] = whole[book, other]
    assert placed == pytest.approx(expected, abs=1e-5)
