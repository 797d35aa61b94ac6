"""Case 13: a job that is longer than the shutdown limit is rerun, and has no double effect."""

from collections import Counter
from collections.abc import Callable

from tests.embeddings_server import EmbeddingsServer
from tests.failures.cluster import Cluster
from tests.failures.held import Held, locked, storing
from tests.failures.truth import assert_derived_is_right
from tests.library import book, books, checkout, ledger, rows, shelve
from tests.processes import eventually
from workers.core.vocabulary import Kind
from workers.jobs.lease import LOST_WORKER

HASTY = {"--worker-shutdown-timeout 20000": "--worker-shutdown-timeout 500"}


def outcomes(kind: Kind) -> list[tuple[str, str | None]]:
    """Key and error of every attempt, in order."""
    return rows("SELECT key, error FROM attempts WHERE kind = %s ORDER BY started_at", kind)


def test_a_job_cut_off_by_the_shutdown_limit_is_rerun_and_stores_its_result_once(
    cluster: Cluster, provider: EmbeddingsServer, configure: Callable[..., None]
) -> None:
    configure(EMBEDDING_TIMEOUT_S=300)
    provider.before_answer = answer = Held()
    cluster.start_web()
    cluster.start_scheduler()
    hasty = cluster.start_worker(edits=HASTY)
    shelve(book("B1", "Title"))
    (event_id,) = cluster.tell([checkout("S1", "B1")])["event_ids"]
    answer.wait_for()
    hasty.end()
    assert rows("SELECT FROM student_embeddings") == []

    cluster.start_worker()
    cluster.all_fresh(keys=2)
    assert len(provider.requests) == 2
    before = rows("SELECT xmin, student_embeddings FROM student_embeddings")
    assert rows("SELECT last_event::text FROM student_embeddings") == [(event_id,)]

    answer.let_go()  # to whom nobody listens any more
    assert outcomes(Kind.student_embedding) == [("S1", LOST_WORKER), ("S1", None)]
    assert rows("SELECT xmin, student_embeddings FROM student_embeddings") == before
    assert ledger(Kind.student_embedding, "wanted", "done", "attempts") == {"S1": (1, 1, 0)}
    assert_derived_is_right()


def test_a_job_cut_off_while_it_writes_leaves_nothing_of_it(cluster: Cluster) -> None:
    cluster.start_web()
    cluster.start_scheduler()
    hasty = cluster.start_worker(edits=HASTY)
    with locked("LOCK TABLE student_embeddings IN SHARE MODE"):
        shelve(*books(3))
        cluster.tell([checkout(f"S{n}", f"B{n}") for n in range(3)])
        eventually(lambda: storing("INSERT INTO student_embeddings"), cluster.output)
        hasty.end()
        # Profiles came before vectors in that transaction.
        assert rows("SELECT FROM student_profiles") == []
    cluster.start_worker()
    cluster.all_fresh(keys=6)
    ends = Counter(outcomes(Kind.student_embedding))
    assert ends == Counter((f"S{n}", error) for n in range(3) for error in (LOST_WORKER, None))
    assert_derived_is_right()


def test_a_rebuild_cut_off_by_the_shutdown_limit_is_gone_on_with_by_the_next_worker(
    cluster: Cluster,
) -> None:
    cluster.start_all()
    shelve(*books(20))
    cluster.tell([checkout(f"S{n}", f"B{n % 20}") for n in range(40)])
    cluster.all_fresh(keys=80)
    hasty = cluster.start_worker("batch", HASTY, REBUILD_BLOCK_ROWS=10)
    with locked("SELECT pg_advisory_lock(hashtext('kinfold.graph'))") as blocker:
        run_id = cluster.post("/neighbors/rebuild").json()["run_id"]
        eventually(lambda: storing("kinfold.graph"), cluster.output)
        hasty.end()
        blocker.execute("SELECT pg_advisory_unlock(hashtext('kinfold.graph'))")
    assert cluster.get(f"/runs/{run_id}")["state"] == "running"
    cluster.start_worker("batch")
    eventually(lambda: cluster.get(f"/runs/{run_id}")["state"] == "done", cluster.output)
    cluster.all_fresh()
    assert_derived_is_right()
