"""Sketches: whoever is near is among those they name, and these are few."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.graph import clustered
from workers.neighbors.sketches import COMPONENTS, MOVED, SURE, Sketches
from workers.neighbors.topk_lists import Edges, Indexes, Similarities, floors, rank

DEPTH = 25
Vectors = NDArray[np.float32]


def students(count: int, dimensions: int, seed: int = 0) -> Vectors:
    """Vectors of length 1 around tastes."""
    vectors = clustered(np.random.default_rng(seed), count, dimensions)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def lists_of(vectors: Vectors) -> tuple[Indexes, Similarities]:
    """Everyone's exact list."""
    sims = vectors @ vectors.T
    np.fill_diagonal(sims, -np.inf)
    a, b = np.divmod(np.arange(sims.size), len(vectors))
    return rank(Edges(a.astype(np.int32), b.astype(np.int32), sims.ravel()), len(sims), DEPTH)


def sketched(vectors: Vectors) -> Sketches:
    sketches = Sketches([vectors[::2]], len(vectors))
    sketches.set(np.arange(len(vectors), dtype=np.int32), vectors, len(vectors))
    return sketches


@pytest.mark.parametrize("dimensions", [64, 2 * COMPONENTS])
def test_sketches_name_nearly_all_who_are_near_and_few_others(dimensions: int) -> None:
    vectors = students(2000, dimensions)
    members, sims = lists_of(vectors)
    sketches = sketched(vectors)
    sketches.calibrate(members, sims)
    moved = np.random.default_rng(1).choice(2000, 100, replace=False).astype(np.int32)
    floor = floors(sims, least=DEPTH, threshold=0.1)
    floor[moved] = np.inf
    maybe = sketches.near(moved, floor, DEPTH)
    named = set(zip(maybe.a.tolist(), maybe.b.tolist(), strict=True))
    own = {(a, b) for a in moved.tolist() for b in members[a].tolist()}
    assert len(own & named) >= 0.98 * len(own)
    enters = {
        (a, b)
        for a in moved.tolist()
        for b in np.flatnonzero(vectors @ vectors[a] >= floor).tolist()
    }
    assert len(enters & named) >= SURE * len(enters)
    assert len(named) <= 200 * len(moved)
    assert not any(a == b for a, b in named)


def test_a_blank_student_is_named_by_nobody_and_names_nobody() -> None:
    vectors = students(300, 64)
    sketches = sketched(vectors)
    sketches.blank(np.array([7], np.int32), 300)
    floor = np.full(300, 0.1, np.float32)
    everybody = np.arange(300, dtype=np.int32)
    maybe = sketches.near(everybody, floor, DEPTH)
    assert len(maybe)
    assert 7 not in maybe.a
    assert 7 not in maybe.b


def test_while_lists_are_empty_only_the_nearest_are_named() -> None:
    vectors = students(3000, 64)
    sketches = sketched(vectors)
    moved = np.arange(0, 3000, 10, dtype=np.int32)
    maybe = sketches.near(moved, np.full(3000, -1, np.float32), DEPTH)
    assert DEPTH * len(moved) <= len(maybe) <= 20 * DEPTH * len(moved)


def test_without_a_sample_the_first_vectors_are_what_sketches_are_fitted_to() -> None:
    vectors = students(200, 64)
    sketches = Sketches([], 0)
    nobody = sketches.near(np.array([0], np.int32), np.zeros(200, np.float32), DEPTH)
    assert len(nobody) == 0
    sketches.blank(np.array([3], np.int32), 200)
    sketches.set(np.arange(200, dtype=np.int32), vectors, 264)
    maybe = sketches.near(np.array([0], np.int32), np.full(200, np.inf, np.float32), DEPTH)
    best = np.argsort(-(vectors @ vectors[0]))[1:6]
    assert set(best.tolist()) <= set(maybe.b.tolist())


def test_sketches_of_a_population_that_has_grown_or_moved_much_are_outdated() -> None:
    vectors = students(3000, 16)
    everybody = np.arange(3000, dtype=np.int32)
    moved, grown = Sketches([vectors], 3000), Sketches([vectors], 3000)
    moved.set(everybody, vectors, 3000)
    moved.calibrate(*lists_of(vectors))
    for _ in range(MOVED - 1):
        moved.set(everybody, vectors, 3000)
        assert not moved.outdated
    moved.set(everybody[:1], vectors[:1], 3000)
    assert moved.outdated
    grown.set(everybody, vectors, 7000)
    grown.set(everybody + 3000, vectors, 7000)
    assert not grown.outdated
    grown.set(np.array([6000], np.int32), vectors[:1], 7000)
    assert grown.outdated
