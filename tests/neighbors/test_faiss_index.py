"""The FAISS index: vectors come, change and go, in any number of dimensions and students."""

import os

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.graph import clustered
from workers.neighbors.faiss_index import MIN_TRAINING_VECTORS, VectorIndex

pytestmark = pytest.mark.slow

Vectors = NDArray[np.float32]


def ids_of(vectors: Vectors) -> NDArray[np.int32]:
    return np.arange(len(vectors), dtype=np.int32)


def indexed(vectors: Vectors) -> VectorIndex:
    index = VectorIndex([vectors], vectors.shape[1], population=len(vectors))
    index.put(ids_of(vectors), vectors)
    return index


def nearest(index: VectorIndex, student: int, count: int) -> list[int]:
    """The nearest of a student in all cells."""
    codes = index.codes(np.array([student], np.int32))
    found: list[int] = index.search(codes, count, *index.nearest_cells(codes))[1][0].tolist()
    return found


@pytest.mark.parametrize("dimensions", [8, 256, 300, 384, 640])
@pytest.mark.parametrize("count", [1, 40, 3000])
def test_any_number_of_students_and_dimensions_is_searched(dimensions: int, count: int) -> None:
    vectors = clustered(np.random.default_rng(0), count, dimensions)
    index = indexed(vectors)
    assert len(index) == count
    best = np.argsort(-(vectors @ vectors[0]))[:3].tolist()
    assert set(best) <= set(nearest(index, 0, 40))


def test_no_cell_takes_a_large_share_where_tastes_outnumber_cells() -> None:
    drawn = np.random.default_rng(0)
    tastes = drawn.normal(size=(1000, 600))
    vectors = tastes[drawn.integers(1000, size=4000)] + drawn.normal(scale=0.6, size=(4000, 600))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = indexed(vectors.astype(np.float32))
    cells = index.nearest_cells(index.codes(np.arange(4000, dtype=np.int32)))[0][:, 0]
    assert np.bincount(cells).max() < 3 * 4000 / index.cells


def test_a_vector_that_is_replaced_is_found_where_it_is_now() -> None:
    vectors = clustered(np.random.default_rng(1), 3000, 64)
    index = indexed(vectors)
    index.put(np.array([7], np.int32), -vectors[8:9])
    assert len(index) == 3000
    assert 7 not in nearest(index, 8, 100)
    index.put(np.array([7], np.int32), vectors[8:9])
    assert 7 in nearest(index, 8, 2)


def test_a_vector_that_is_removed_is_found_by_nobody_until_it_comes_back() -> None:
    vectors = clustered(np.random.default_rng(2), 3000, 64)
    index = indexed(vectors)
    gone = np.array([7, 9, 5000], np.int32)
    index.remove(gone)
    index.remove(gone)
    assert index.holds(gone).tolist() == [False, False, False]
    assert not {7, 9} & set(nearest(index, 8, 3000))
    index.put(gone[:1], vectors[7:8])
    assert index.holds(gone).tolist() == [True, False, False]
    assert 7 in nearest(index, 8, 3000)


def test_an_index_without_a_sample_takes_whoever_comes_and_is_outgrown_by_many() -> None:
    index = VectorIndex([], 16, population=0)
    vectors = clustered(np.random.default_rng(3), 2 * MIN_TRAINING_VECTORS + 1, 16)
    index.put(ids_of(vectors)[:-1], vectors[:-1])
    assert not index.outgrown
    assert nearest(index, 0, 1) == [0]
    index.put(ids_of(vectors)[-1:], vectors[-1:])
    assert index.outgrown


def test_how_often_everyone_has_moved_is_counted() -> None:
    vectors = clustered(np.random.default_rng(4), 3000, 16)
    index = indexed(vectors)
    assert index.moved == 1
    index.put(ids_of(vectors), vectors)
    assert index.moved == 2


def test_a_process_forked_from_one_that_has_searched_searches_too() -> None:
    vectors = clustered(np.random.default_rng(5), 3000, 64)
    index = indexed(vectors)
    expected = nearest(index, 0, 50)
    child = os.fork()
    if not child:
        # Without pytest's own exit. A search that waits for threads of the parent never ends.
        os._exit(nearest(index, 0, 50) != expected or nearest(indexed(vectors), 0, 1) != [0])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_faiss_works_in_the_thread_that_calls() -> None:
    import faiss  # it takes a while

    index = indexed(clustered(np.random.default_rng(6), 300, 16))
    faiss.omp_set_num_threads(7)
    nearest(index, 0, 5)
    assert faiss.omp_get_max_threads() == 1
