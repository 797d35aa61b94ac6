"""How much of the exact graph updates keep, by every way to search."""

import numpy as np
import pytest

from tests.graph import (
    assert_graph_is_exact,
    clustered,
    delete_students,
    drain,
    recall,
    store_vectors,
)
from tests.neighbors.conftest import DIMENSIONS
from workers.core.settings import settings
from workers.core.stores import connect
from workers.neighbors.candidates import FIRST_FOUND
from workers.neighbors.hnsw_index import index_vectors
from workers.neighbors.strategy import Search, choose_search
from workers.neighbors.update import forget_graph

pytestmark = pytest.mark.slow


def test_ten_percent_churn_leaves_recall_at_one(stores: None) -> None:
    rng = np.random.default_rng(1)
    vectors = {f"S{i:04}": v for i, v in enumerate(clustered(rng, 1500, 256))}
    store_vectors(vectors)
    drain()
    moved = dict(
        zip(
            rng.choice(sorted(vectors), 150, replace=False).tolist(),
            clustered(rng, 150, 256),
            strict=True,
        )
    )
    vectors |= moved
    store_vectors(moved)
    drain()
    assert recall(vectors) == 1.0
    assert_graph_is_exact(vectors)


@pytest.mark.parametrize("search", [Search.ivf, Search.hnsw])
def test_with_an_index_recall_stays_above_99_percent(
    stores: None, monkeypatch: pytest.MonkeyPatch, search: Search
) -> None:
    rng = np.random.default_rng(2)
    vectors = {f"S{i:04}": v for i, v in enumerate(clustered(rng, 1500, 256))}
    store_vectors(vectors)
    monkeypatch.setenv("EXACT_SEARCH_MAX_STUDENTS", "0")
    if search is Search.hnsw:
        monkeypatch.setenv("ANN_SEARCH_MAX_STUDENTS", "0")
    settings.cache_clear()
    with connect() as conn:
        assert index_vectors(conn) == (search is Search.hnsw)
        assert choose_search(conn) is search
    drain()
    forget_graph()  # from here on the lists say how far off estimates are
    for _ in range(3):
        ids = rng.choice(sorted(vectors), 100, replace=False).tolist()
        moved = dict(zip(ids, clustered(rng, 100, 256), strict=True))
        vectors |= moved
        store_vectors(moved)
        drain()
    delete_students(gone := rng.choice(sorted(vectors), 20, replace=False).tolist())
    vectors = {key: vector for key, vector in vectors.items() if key not in gone}
    drain()
    assert recall(vectors) >= 0.99


def test_a_student_that_moves_among_hundreds_who_are_nearly_alike_enters_every_list_it_belongs_in(
    stores: None, small_vectors: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXACT_SEARCH_MAX_STUDENTS", "0")
    settings.cache_clear()
    rng = np.random.default_rng(17)
    centre = rng.normal(size=DIMENSIONS)
    # More than are found at a time, spread so that who is in the middle belongs in many lists.
    near = centre + rng.normal(scale=0.05, size=(2 * FIRST_FOUND, DIMENSIONS))
    vectors = {f"S{i:03}": vector for i, vector in enumerate(near.astype(np.float32))}
    store_vectors(vectors)
    drain()
    forget_graph()  # from here on the lists say how far off estimates are
    moved = {
        key: (vectors[key] * 0.2 + centre * 0.8).astype(np.float32) for key in list(vectors)[:5]
    }
    vectors |= moved
    store_vectors(moved)
    drain()
    assert_graph_is_exact(vectors)
