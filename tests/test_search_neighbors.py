"""The search by the index, where the index itself finds nobody: who was near before is found."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.graph import clustered, drain, exact_similarities, store_vectors
from workers.neighbor_graph import NeighborGraph
from workers.repair_lists import Edges, occupied
from workers.search_neighbors import find_indexed, holders, refill_indexed, threshold
from workers.stores import connection

pytestmark = pytest.mark.usefixtures("stores")


def sixty_students() -> dict[str, NDArray[np.float32]]:
    """Students with their neighbours."""
    drawn = clustered(np.random.default_rng(5), 60, 256)
    vectors = {f"S{i:02}": vector for i, vector in enumerate(drawn)}
    store_vectors(vectors)
    drain()
    return vectors


def test_whoever_was_near_before_is_found_without_the_index() -> None:
    vectors = sixty_students()
    vectors["S07"] = (vectors["S07"] + vectors["S08"]) / 2
    store_vectors({"S07": vectors["S07"]})
    with connection() as conn:
        graph = NeighborGraph(conn, with_vectors=False)
        moved = np.array([graph.index["S07"]], np.int32)
        held = holders(graph, moved)
        found = find_indexed(conn, graph, moved, held, Edges.none())
    exact = exact_similarities(vectors)["S07"]
    own = dict(zip(graph.names(found.own.b), found.own.sim.tolist(), strict=True))
    listed = set(graph.names(graph.members[moved[0]][graph.members[moved[0]] >= 0]))
    holding = set(graph.names(held.owners))
    assert holding - listed
    assert set(own) == {b for b in listed | holding if exact[b] >= threshold()}
    assert own == pytest.approx({b: exact[b] for b in own}, abs=1e-6)
    offered = dict(zip(graph.names(found.offers.a), found.offers.sim.tolist(), strict=True))
    assert set(offered) == listed | holding
    assert offered.items() >= own.items()
    assert set(graph.names(found.offers.b)) == {"S07"}


def test_of_two_that_moved_together_each_is_compared_with_the_other() -> None:
    sixty_students()
    with connection() as conn:
        graph = NeighborGraph(conn, with_vectors=False)
        moved = np.array([graph.index["S07"], graph.index["S08"]], np.int32)
        graph.members[moved] = -1
        one_way = Edges(moved[:1], moved[1:], np.array([0.9], np.float32))
        found = find_indexed(conn, graph, moved, holders(graph, moved), one_way)
    own = dict(zip(zip(found.own.a, found.own.b, strict=True), found.own.sim, strict=True))
    assert own[moved[0], moved[1]] == own[moved[1], moved[0]] == np.float32(0.9)
    assert not np.isin(found.offers.a, moved).any()


def test_a_list_that_is_searched_again_keeps_what_is_left_of_it() -> None:
    sixty_students()
    with connection() as conn:
        graph = NeighborGraph(conn, with_vectors=False)
        short = np.array([graph.index["S03"], graph.index["S11"]], np.int32)
        left = occupied(short, graph.members[short, :2], graph.sims[short, :2])
        # Here the index is asked for nobody, as if it had found nothing.
        conn.execute(
            "UPDATE student_embeddings SET model = 'other' WHERE student_id IN ('S03', 'S11')"
        )
        refill = refill_indexed(conn, graph, short, left)
    assert refill.a.tolist() == left.a.tolist()
    assert refill.b.tolist() == left.b.tolist()
    assert refill.sim.tolist() == left.sim.tolist()
