"""The search by the index, where the index itself finds nobody: who was near before is found."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.graph import clustered, drain, exact_similarities, store_vectors
from workers.core.settings import settings
from workers.core.stores import connection
from workers.neighbors.graph import NeighborGraph
from workers.neighbors.pair_similarity import compare_in_one_pass, compare_pairs
from workers.neighbors.search import (
    find_around,
    lists_holding,
    refill_around,
)
from workers.neighbors.strategy import Search
from workers.neighbors.topk_lists import Edges, Indexes, occupied, pair_keys

pytestmark = pytest.mark.usefixtures("stores")


def sixty_students() -> dict[str, NDArray[np.float32]]:
    """Students with their neighbours."""
    drawn = clustered(np.random.default_rng(5), 60, 256)
    vectors = {f"S{i:02}": vector for i, vector in enumerate(drawn)}
    store_vectors(vectors)
    drain()
    return vectors


def nobody() -> Indexes:
    return np.empty(0, np.int32)


def test_whoever_was_near_before_is_found_without_the_index() -> None:
    vectors = sixty_students()
    vectors["S07"] = np.float32(0.5) * (vectors["S07"] + vectors["S08"])
    store_vectors({"S07": vectors["S07"]})
    with connection() as conn:
        graph = NeighborGraph(conn, Search.hnsw)
        moved = np.array([graph.index["S07"]], np.int32)
        held = lists_holding(graph, moved)
        found = find_around(conn, graph, moved, held, Edges.none(), nobody())
    exact = exact_similarities(vectors)["S07"]
    own = dict(zip(graph.names(found.own.member), found.own.sim.tolist(), strict=True))
    listed = set(graph.names(graph.members[moved[0]][graph.members[moved[0]] >= 0]))
    holding = set(graph.names(held.owners))
    assert holding - listed
    assert set(own) == {b for b in listed | holding if exact[b] >= settings().min_similarity}
    assert own == pytest.approx({b: exact[b] for b in own}, abs=1e-6)
    offered = dict(zip(graph.names(found.offers.owner), found.offers.sim.tolist(), strict=True))
    entries = {name: graph.entries[graph.index[name]] for name in listed | holding}
    assert set(offered) == {b for b, entry in entries.items() if exact[b] >= entry}
    assert set(offered) & holding
    assert set(graph.names(found.offers.member)) == {"S07"}


def test_whoever_has_moved_meanwhile_is_compared() -> None:
    exact = exact_similarities(sixty_students())["S07"]
    with connection() as conn:
        graph = NeighborGraph(conn, Search.hnsw)
        moved = np.array([graph.index["S07"]], np.int32)
        held = lists_holding(graph, moved)
        before = {*graph.names(graph.members[moved[0]]), *graph.names(held.owners)}
        others = [name for name in graph.ids if name not in before | {"S07"} and exact[name] > 0.1]
        touched = np.array([graph.index[name] for name in others], np.int32)
        found = find_around(conn, graph, moved, held, Edges.none(), touched)
    own = dict(zip(graph.names(found.own.member), found.own.sim.tolist(), strict=True))
    assert others
    assert {name: own[name] for name in others} == pytest.approx(
        {name: exact[name] for name in others}, abs=1e-6
    )


def test_of_two_that_moved_together_each_is_compared_with_the_other() -> None:
    sixty_students()
    with connection() as conn:
        graph = NeighborGraph(conn, Search.hnsw)
        moved = np.array([graph.index["S07"], graph.index["S08"]], np.int32)
        graph.members[moved] = -1
        one_way = Edges(moved[:1], moved[1:], np.array([0.9], np.float32))
        found = find_around(conn, graph, moved, lists_holding(graph, moved), one_way, nobody())
    own = dict(zip(zip(found.own.owner, found.own.member, strict=True), found.own.sim, strict=True))
    assert own[moved[0], moved[1]] == own[moved[1], moved[0]] == np.float32(0.9)
    assert not np.isin(found.offers.owner, moved).any()


@pytest.mark.parametrize("one_pass", [False, True])
def test_pairs_are_compared_exactly_one_by_one_and_in_one_pass(one_pass: bool) -> None:
    exact = exact_similarities(sixty_students())
    rng = np.random.default_rng(3)
    with connection() as conn, conn.transaction():
        graph = NeighborGraph(conn, Search.hnsw)
        conn.execute("UPDATE student_embeddings SET model = 'other' WHERE student_id = 'S09'")
        if one_pass:
            compare_in_one_pass(conn, graph, graph.size)
        pairs = [(a, b) for a in range(60) for b in rng.choice(60, a % 7, replace=False) if a != b]
        asked = [(graph.index[f"S{a:02}"], graph.index[f"S{b:02}"]) for a, b in pairs]
        a, b = np.array(sorted(asked), np.int32).T
        edges = compare_pairs(conn, graph, pair_keys(a, b))
    named = zip(graph.names(edges.owner), graph.names(edges.member), strict=True)
    found = dict(zip(named, edges.sim.tolist(), strict=True))
    ids = [(f"S{a:02}", f"S{b:02}") for a, b in pairs if 9 not in (a, b)]
    assert found == pytest.approx({(a, b): max(exact[a][b], 0) for a, b in ids}, abs=1e-6)


def test_an_id_with_a_line_break_is_not_taken_for_two() -> None:
    store_vectors({"S1": np.ones(256, np.float32), "S\n2": np.ones(256, np.float32)})
    with connection() as conn:
        graph = NeighborGraph(conn, Search.hnsw)
        a, b = (np.array([graph.index[name]], np.int32) for name in ("S1", "S\n2"))
        with pytest.raises(ValueError, match="line break"):
            compare_pairs(conn, graph, pair_keys(a, b))


def test_a_list_that_is_searched_again_keeps_what_is_left_of_it() -> None:
    sixty_students()
    with connection() as conn:
        graph = NeighborGraph(conn, Search.hnsw)
        short = np.array([graph.index["S03"], graph.index["S11"]], np.int32)
        left = occupied(short, graph.members[short, :2], graph.sims[short, :2])
        # Here the index is asked for nobody, as if it had found nothing.
        conn.execute(
            "UPDATE student_embeddings SET model = 'other' WHERE student_id IN ('S03', 'S11')"
        )
        refill = refill_around(conn, graph, short, left)
    assert refill.owner.tolist() == left.owner.tolist()
    assert refill.member.tolist() == left.member.tolist()
    assert refill.sim.tolist() == left.sim.tolist()
