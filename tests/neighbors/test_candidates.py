"""Candidates: whoever is near is among them, however many are, and they are few otherwise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.graph import clustered
from workers.neighbors.candidates import FIRST_FOUND, Stretch, find_candidates, measure_stretch
from workers.neighbors.faiss_index import VectorIndex
from workers.neighbors.topk_lists import Edges, Indexes, Similarities, floors, rank

pytestmark = pytest.mark.slow

DEPTH = 25
Vectors = NDArray[np.float32]


def lists_of(vectors: Vectors) -> tuple[Indexes, Similarities]:
    """Everyone's exact list."""
    members, sims = [], []
    for start in range(0, len(vectors), 1000):
        product = vectors[start : start + 1000] @ vectors.T
        rows = np.arange(len(product))
        product[rows, start + rows] = -np.inf
        a, b = np.divmod(np.arange(product.size), len(vectors))
        edges = Edges(a.astype(np.int32), b.astype(np.int32), product.ravel())
        block = rank(edges, len(product), DEPTH)
        members.append(block[0])
        sims.append(block[1])
    return np.concatenate(members), np.concatenate(sims)


def indexed(vectors: Vectors) -> VectorIndex:
    index = VectorIndex([vectors[::2]], vectors.shape[1], population=len(vectors))
    index.put(np.arange(len(vectors), dtype=np.int32), vectors)
    return index


def pairs(edges: Edges) -> set[tuple[int, int]]:
    return set(zip(edges.owner.tolist(), edges.member.tolist(), strict=True))


def wanted(
    vectors: Vectors, queries: Indexes, floor: Similarities
) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
    """By brute force: the nearest of each query, and whose lists it belongs in."""
    own, enters = set(), set()
    for query in queries.tolist():
        sims = vectors @ vectors[query]
        sims[query] = -np.inf
        own |= {(query, int(b)) for b in np.argpartition(-sims, DEPTH)[:DEPTH]}
        enters |= {(query, int(b)) for b in np.flatnonzero(sims >= floor)}
    return own, enters


@pytest.mark.parametrize("dimensions", [64, 640])
def test_nearly_all_who_are_near_are_found_and_few_others(dimensions: int) -> None:
    vectors = clustered(np.random.default_rng(0), 3000, dimensions)
    members, sims = lists_of(vectors)
    index = indexed(vectors)
    stretch = measure_stretch(index, members, sims)
    assert stretch is not None
    moved = np.random.default_rng(1).choice(3000, 100, replace=False).astype(np.int32)
    floor = floors(sims, least=DEPTH, threshold=0.1)
    floor[moved] = np.inf
    found = pairs(find_candidates(index, moved, floor, DEPTH, stretch, least=0.1))
    own, enters = wanted(vectors, moved, floor)
    assert len(own & found) >= 0.98 * len(own)
    assert len(enters & found) >= 0.95 * len(enters)
    assert len(found) <= FIRST_FOUND * len(moved)
    assert not any(a == b for a, b in found)


def test_of_thousands_who_are_nearly_alike_none_is_missed() -> None:
    rng = np.random.default_rng(2)
    alike, others = 5000, clustered(rng, 3000, 64)
    near = rng.normal(size=64) + rng.normal(scale=0.02, size=(alike, 64))
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    vectors = np.concatenate([near, others]).astype(np.float32)
    members, sims = lists_of(vectors)
    index = indexed(vectors)
    stretch = measure_stretch(index, members, sims)
    assert stretch is not None
    # Half of their lists end where nearly any of them gets in.
    floor = floors(sims, least=DEPTH, threshold=0.1)
    floor[:alike:2] -= 0.02
    moved = rng.choice(alike, 20, replace=False).astype(np.int32)
    floor[moved] = np.inf
    found = pairs(find_candidates(index, moved, floor, DEPTH, stretch, least=0.1))
    own, enters = wanted(vectors, moved, floor)
    assert len(enters) > 2000 * len(moved)
    assert own | enters <= found


def test_those_who_are_the_same_are_found_once_there_are_enough() -> None:
    vectors = np.repeat(clustered(np.random.default_rng(3), 4, 64), 2000, axis=0)
    index = indexed(vectors)
    moved = np.array([0, 2000], np.int32)
    full = np.ones(8000, np.float32)
    found = find_candidates(index, moved, full, DEPTH, Stretch(), least=0.1)
    assert np.bincount(found.owner).max() <= 2 * FIRST_FOUND
    same = np.isclose(np.einsum("ij,ij->i", vectors[found.owner], vectors[found.member]), 1)
    assert min(np.bincount(found.owner[same])[moved]) >= DEPTH


def test_who_is_not_in_the_index_has_no_candidates_and_is_none() -> None:
    index = indexed(clustered(np.random.default_rng(4), 300, 64))
    index.remove(np.array([7], np.int32))
    everybody = np.arange(300, dtype=np.int32)
    floor = np.full(300, 0.1, np.float32)
    found = find_candidates(index, everybody, floor, DEPTH, Stretch(), least=0.1)
    assert len(found)
    assert 7 not in found.owner
    assert 7 not in found.member
    gone = everybody[7:8]
    assert not len(find_candidates(index, gone, floor, DEPTH, Stretch(), least=0.1))


def test_while_lists_are_empty_only_the_nearest_are_candidates() -> None:
    index = indexed(clustered(np.random.default_rng(5), 5000, 64))
    moved = np.arange(0, 5000, 10, dtype=np.int32)
    floor = np.full(5000, 0.1, np.float32)
    found = find_candidates(index, moved, floor, DEPTH, Stretch(), least=0.1)
    assert DEPTH * len(moved) <= len(found) <= 2 * FIRST_FOUND * len(moved)


def test_without_lists_nothing_says_how_far_off_estimates_are() -> None:
    index = indexed(clustered(np.random.default_rng(6), 300, 64))
    empty = np.full((300, DEPTH), -1, np.int32), np.full((300, DEPTH), -np.inf, np.float32)
    assert measure_stretch(index, *empty) is None
