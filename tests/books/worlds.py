"""Small invented libraries for tests of recommending, drawn from a seed."""

from datetime import date, timedelta
from typing import TypeVar

import numpy as np

from workers.books.book_weights import BookWeights
from workers.books.catalog import Book, build_catalog
from workers.books.history import grade_loans
from workers.books.score import BookArrays, Student
from workers.books.terms import Neighbor
from workers.books.trends import GRADE_ROWS

Value = TypeVar("Value")
TODAY = date(2026, 5, 1)


def invented_books(seed: int, count: int = 60) -> BookArrays:
    """Books with everything that scoring may know, much of it unknown."""
    rng = np.random.default_rng(seed)
    catalog = build_catalog(
        Book(
            f"B{number:03}",
            author=_maybe(rng, f"author {rng.integers(8)}"),
            level=_maybe(rng, float(rng.uniform(1, 8))),
            genres=tuple(rng.choice(["fantasy", "war", "dogs", "space"], rng.integers(3), False)),
            language=_maybe(rng, str(rng.choice(["en", "sv"]))),
            series=_maybe(rng, f"series {rng.integers(6)}"),
            series_number=_maybe(rng, float(rng.integers(1, 7))),
            copies_available=_maybe(rng, int(rng.integers(3))),
            added=_maybe(rng, TODAY - timedelta(days=int(rng.integers(200)))),
        )
        for number in range(count)
    )
    kept = min(10, count)
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[rng.random(count) < 0.1] = 0
    weights = BookWeights(
        np.array([rng.permutation(count)[:kept] for _ in range(count)], np.int32),
        rng.normal(0.1, 0.3, (count, kept)).astype(np.float32),
    )
    return BookArrays(
        catalog,
        weights=weights,
        vectors=vectors,
        trending=(rng.random((GRADE_ROWS, count)) * (rng.random((GRADE_ROWS, count)) < 0.3)).astype(
            np.float32
        ),
        staff_picks=rng.random((GRADE_ROWS, count)) < 0.05,
        rating=rng.random(count).astype(np.float32),
        popularity=rng.integers(0, 9, count).astype(np.float32),
    )


def invented_student(seed: int, books: BookArrays, loans: int | None = None) -> Student:
    """A student with loans, ratings and neighbours; some know less of themselves."""
    rng = np.random.default_rng(seed)
    count = len(books.catalog)
    borrowed = rng.integers(0, count, rng.integers(0, 15) if loans is None else loans)
    ratings = rng.choice([np.nan, 1, 2, 4, 5], len(borrowed))
    neighbors = [
        Neighbor(float(rng.random()), grade_loans(rng.integers(0, count, 5), np.arange(5)))
        for _ in range(rng.integers(0, 5))
    ]
    return Student(
        history=grade_loans(borrowed, np.arange(len(borrowed)), ratings),
        read=np.unique(borrowed).astype(np.int32),
        neighbors=neighbors,
        level=_maybe(rng, float(rng.uniform(2, 7))),
        slope=_maybe(rng, float(rng.normal(0, 0.3))),
        grade_row=int(rng.integers(GRADE_ROWS)),
    )


def _maybe(rng: np.random.Generator, value: Value) -> Value | None:
    return None if rng.random() < 0.2 else value
