"""Case 11: a job that kills its process every time is dead after its last attempt, and alone."""

import os
import signal
import threading

import pytest

from tests.embeddings_server import EmbeddingsServer
from tests.failures.cluster import Cluster
from tests.failures.truth import assert_derived_is_right
from tests.library import book, checkout, rows, shelve
from workers.jobs.lease import LOST_WORKER

pytestmark = pytest.mark.slow

POISON = "A title that no process survives"
ATTEMPTS = 3


class Killer:
    """For `before_answer`: SIGKILLs the process that asks for the poisonous text.

    Others wait with theirs for a moment, so that there are always some under way that die with it.
    """

    def __init__(self) -> None:
        self.killed: list[int] = []
        self._again = threading.Event()

    def __call__(self, texts: list[str]) -> None:
        """A request comes."""
        if not any(POISON in text for text in texts):
            self._again.wait(0.5)
            return
        ((worker,),) = rows(
            "SELECT leased_by FROM freshness WHERE kind = 'student_embedding' AND key = 'S4'"
        )
        pid = int(worker.split(":")[1])
        os.kill(pid, signal.SIGKILL)
        self.killed.append(pid)


def test_a_key_that_kills_its_worker_every_time_dies_and_takes_no_other_along(
    cluster: Cluster, provider: EmbeddingsServer
) -> None:
    provider.before_answer = killer = Killer()
    cluster.start_all(EMBEDDING_TIMEOUT_S=120, MAX_ATTEMPTS=ATTEMPTS)
    cluster.supervised = True
    others = [f"S{n}" for n in range(10) if n != 4]
    shelve(book("B1", "Title"), book("B2", POISON))
    cluster.tell([checkout(key, "B1") for key in others] + [checkout("S4", "B2")])
    cluster.settled()

    assert len(killer.killed) == ATTEMPTS
    reason = f"{LOST_WORKER} on each of {ATTEMPTS} attempts"
    assert rows("SELECT kind, key, error FROM freshness WHERE dead_at IS NOT NULL") == [
        ("student_embedding", "S4", reason)
    ]
    noted = rows(
        "SELECT split_part(worker, ':', 2)::int, error FROM attempts WHERE key = 'S4'"
        " ORDER BY attempt_id"
    )
    assert noted == list(zip(killer.killed, [*[LOST_WORKER] * (ATTEMPTS - 1), reason], strict=True))
    assert rows("SELECT student_id FROM student_embeddings ORDER BY 1") == [(k,) for k in others]
    assert_derived_is_right()
