"""Case 22: whatever dies between whatever steps, every key ends fresh or dead with a reason, and
the graph equals one rebuilt from scratch.

A seed decides on the steps: events, lost messages, kills in the middle of a request to the
provider and of a transaction, stalled workers whose lease another one takes, wiped Redis, cut
connections, rebuilds. The processes and signals are real; time passes by changing the ledger.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.embeddings_server import EmbeddingsServer
from tests.failures.cluster import Cluster
from tests.failures.play import Play
from tests.failures.soak.facts import differences
from tests.failures.truth import assert_derived_is_right
from tests.failures.whole import half_written, take_snapshot
from tests.graph import stored_lists
from tests.library import rows
from workers.core.errors import RunActiveError
from workers.core.stores import connect, transaction
from workers.core.vocabulary import Kind
from workers.jobs.runs import RunKind, create_run
from workers.ledger.freshness import mark_stale
from workers.neighbors.rebuild import rebuild_neighbors

SEEDS = 4
STEPS = 30
# Short lists and small batches: they lose members, refill and meet more often.
SMALL = {
    "EMBEDDING_BATCH_SIZE": 5,
    "NEIGHBOR_BATCH_SIZE": 7,
    "MAX_NEIGHBORS": 4,
    "NEIGHBOR_SLACK": 3,
    "REBUILD_BLOCK_ROWS": 8,
    "RESEND_AFTER_SECONDS": 0.001,
}
Lists = dict[str, float]


def _dead() -> list[tuple[Any, ...]]:
    return rows("SELECT kind, key, error FROM freshness WHERE dead_at IS NOT NULL ORDER BY 1, 2")


def _revive(dead: list[tuple[Any, ...]]) -> None:
    with transaction() as conn:
        for kind, key, _ in dead:
            mark_stale(conn, Kind(kind), {key: None})


def _rebuild_from_scratch() -> None:
    """After the end of a run that was killed."""
    with suppress(RunActiveError):
        rebuild_neighbors(create_run(RunKind.rebuild_neighbors))
        return
    ((active,),) = rows("SELECT run_id FROM runs WHERE state IN ('queued', 'running')")
    rebuild_neighbors(active)
    rebuild_neighbors(create_run(RunKind.rebuild_neighbors))


def _assert_same_lists(before: Mapping[str, Lists], after: Mapping[str, Lists]) -> None:
    """Equal similarities may swap places."""
    assert before.keys() == after.keys()
    for student_id, found in before.items():
        np.testing.assert_allclose(
            sorted(found.values()), sorted(after[student_id].values()), atol=1e-6
        )
        swapped = found.keys() ^ after[student_id].keys()
        last = min(found.values())
        assert all((found | after[student_id])[b] <= last + 1e-6 for b in swapped), student_id


@pytest.fixture
def play(
    cluster: Cluster,
    provider: EmbeddingsServer,
    configure: Callable[..., None],
    tmp_path: Path,
    seed: int,
) -> Iterator[Play]:
    configure(**SMALL)
    play = Play(cluster, provider, seed, tmp_path)
    try:
        yield play
    finally:
        play.kill_all()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_steps_end_with_every_key_fresh_or_dead_and_the_graph_as_if_rebuilt(
    play: Play, seed: int
) -> None:
    play.tell()
    for _ in range(STEPS):
        play.step()
        with connect() as conn:
            assert half_written(take_snapshot(conn)) == [], play.taken
    play.settle()
    dead = _dead()
    assert [row for row in dead if not row[2]] == [], play.taken
    assert differences(play.story.facts) == [], play.taken

    _revive(dead)
    play.settle()
    assert _dead() == [], play.taken
    assert_derived_is_right()
    before = stored_lists()
    _rebuild_from_scratch()
    _assert_same_lists(before, stored_lists())
