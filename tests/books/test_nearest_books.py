"""The nearest books on a real index: as many as asked, and as exact as comparing all of them."""

from collections.abc import Callable

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from tests.library import book, fact, record
from workers.books import nearest_books, vector_index
from workers.books.nearest_books import BookFilter, find_nearest
from workers.books.search_plan import plan_search
from workers.books.vector_index import index_books, indexed_books
from workers.core.settings import settings
from workers.core.stores import connect, connection, transaction

pytestmark = pytest.mark.slow

BOOKS = 600
DIMENSIONS = 32
MOST = 10
FAR = 9.0


@pytest.fixture
def vectors(
    stores: None, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> NDArray[np.float32]:
    """Books around six tastes by row, with levels from 0 to 5.99, and an index over them.

    A last taste lies opposite to the first one, and is the only one on level 9.
    """
    configure(EMBEDDING_DIMENSIONS=DIMENSIONS)
    monkeypatch.setattr(vector_index, "COMPARED_MAX_BOOKS", 100)
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(6, DIMENSIONS))
    centres[5] = -centres[0]
    rows = np.arange(BOOKS)
    drawn = centres[np.where(rows < BOOKS // 2, rows % 5, 5)] + rng.normal(
        scale=0.4, size=(BOOKS, DIMENSIONS)
    )
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    levels = [FAR if row >= BOOKS // 2 else row % 100 / 100 * 6 for row in rows.tolist()]
    spec = settings().student_embedding
    with transaction() as conn:
        conn.cursor().executemany(
            "INSERT INTO books (book_id, title, reading_level) VALUES (%s, 'A book', %s)",
            [(f"B{row}", level) for row, level in enumerate(levels)],
        )
        conn.cursor().executemany(
            "INSERT INTO book_embeddings (book_id, model, dimensions, content_hash, vec)"
            " VALUES (%s, %s, %s, sha256(''), %b::halfvec)",
            [
                (f"B{row}", spec.model, spec.dimensions, vector.astype(np.float32))
                for row, vector in enumerate(drawn)
            ],
        )
    with connect() as conn:
        assert index_books(conn)
        conn.execute("ANALYZE")
    stored: NDArray[np.float32] = drawn.astype(np.float16).astype(np.float32)
    return stored


def scans(conn: psycopg.Connection) -> tuple[int, int]:
    """How often this session has lately read the vectors by an index, and from end to end."""
    row = conn.execute(
        "SELECT idx_scan, seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'book_embeddings'"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def exact(vectors: NDArray[np.float32], query: NDArray[np.float32], fits: list[int]) -> set[str]:
    near = sorted(fits, key=lambda row: -float(vectors[row] @ query))
    return {f"B{row}" for row in near[:MOST]}


def test_the_index_is_used_and_finds_what_comparing_finds(vectors: NDArray[np.float32]) -> None:
    held = []
    for row in range(0, 250, 5):
        with transaction() as conn:
            by_index, in_order = scans(conn)
            found = find_nearest(conn, vectors[row], BookFilter(), MOST)
            assert scans(conn) == (by_index + 1, in_order)
        assert next(each.book_id for each in found) == f"B{row}"
        assert [each.likeness for each in found] == sorted(
            (each.likeness for each in found), reverse=True
        )
        expected = exact(vectors, vectors[row], list(range(BOOKS)))
        held.append(len(expected & {each.book_id for each in found}) / MOST)
    assert np.mean(held) >= 0.99


@pytest.mark.parametrize("level_max", [0.0, 0.1, 0.6, 3.0, 5.0, 5.94])
def test_as_many_as_asked_are_found_by_filters_of_every_selectivity(
    vectors: NDArray[np.float32], level_max: float
) -> None:
    fits = [row for row in range(BOOKS // 2) if np.float32(row % 100 / 100 * 6) <= level_max]
    assert fits
    held = []
    for row in range(0, 250, 25):
        with transaction() as conn:
            found = find_nearest(conn, vectors[row], BookFilter(level_max=level_max), MOST)
        expected = exact(vectors, vectors[row], fits)
        assert len(found) == len(expected) == min(MOST, len(fits))
        held.append(len(expected & {each.book_id for each in found}) / len(expected))
    assert np.mean(held) >= 0.99


def test_fitting_books_that_all_lie_far_away_are_compared_after_all(
    vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plan_search(BOOKS, MOST).compared < BOOKS // 2
    with transaction() as conn:
        found = find_nearest(conn, vectors[0], BookFilter(level_min=FAR), MOST)
    expected = exact(vectors, vectors[0], list(range(BOOKS // 2, BOOKS)))
    assert {each.book_id for each in found} == expected


def test_few_that_fit_are_compared_without_the_index(
    vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest_books, "NEAREST_INDEXED", "SELECT nothing")
    with transaction() as conn:
        assert len(find_nearest(conn, vectors[0], BookFilter(level_max=3.0), MOST)) == MOST
    with pytest.raises(psycopg.errors.UndefinedColumn), transaction() as conn:
        find_nearest(conn, vectors[0], BookFilter(), MOST)


def test_books_that_come_and_go_are_found_and_not_found(vectors: NDArray[np.float32]) -> None:
    record(book("B0", "Another"), fact("book_deleted", book_id="B5"))
    with transaction() as conn:
        found = {each.book_id for each in find_nearest(conn, vectors[5], BookFilter(), MOST)}
        similar = find_nearest(conn, vectors[0], BookFilter(), MOST, but="B0")
    assert "B5" not in found
    assert "B0" not in {each.book_id for each in similar}
    assert len(similar) == MOST


def test_the_index_says_how_many_books_it_has(
    vectors: NDArray[np.float32], configure: Callable[..., None]
) -> None:
    with connection() as conn:
        assert indexed_books(conn) == BOOKS
        configure(EMBEDDING_DIMENSIONS=DIMENSIONS + 1)
        assert indexed_books(conn) is None
