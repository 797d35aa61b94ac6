"""The search by the index, where the index itself finds nobody: who was near before is found."""

import numpy as np
import pytest

from tests.graph import clustered, drain, exact_similarities, store_vectors
from workers.neighbor_graph import NeighborGraph
from workers.repair_lists import Edges, occupied
from workers.search_neighbors import find_indexed, holders, refill_indexed
from workers.stores import connection

pytestmark = pytest.mark.usefixtures("stores")


def test_whoever_was_near_before_is_found_without_the_index() -> None:
    vectors = {f"S{i:02}": v for i, v in enumerate(clustered(np.random.default_rng(5), 60, 256))}
    store_vectors(vectors)
    drain()
    vectors["S07"] = (vectors["S07"] + vectors["S08"]) / 2
    store_vectors({"S07": vectors["S07"]})
    with connection() as conn:
        graph = NeighborGraph(conn, with_vectors=False)
        moved = np.array([graph.index["S07"]], np.int32)
        found = find_indexed(conn, graph, moved, holders(graph, moved), Edges.none())
    exact = exact_similarities(vectors)["S07"]
    own = dict(zip(graph.names(found.own.b), found.own.sim.tolist(), strict=True))
    listed = set(graph.names(graph.members[moved[0]][graph.members[moved[0]] >= 0]))
    assert set(own) >= {b for b in listed if exact[b] > 0}
    assert own == pytest.approx({b: exact[b] for b in own}, abs=1e-6)
    offered = dict(zip(graph.names(found.offers.a), found.offers.sim.tolist(), strict=True))
    assert offered.items() >= own.items()
    assert set(graph.names(found.offers.b)) == {"S07"}


def test_a_list_that_is_searched_again_keeps_what_is_left_of_it() -> None:
    vectors = {f"S{i:02}": v for i, v in enumerate(clustered(np.random.default_rng(6), 60, 256))}
    store_vectors(vectors)
    drain()
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
