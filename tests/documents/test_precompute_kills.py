"""A worker killed with SIGKILL at random moments of a run: all documents, next to nothing twice."""

import os
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from actors.runs import send_run
from tests.collection import Documents, stored
from tests.embeddings_server import EmbeddingsServer
from tests.failures.cluster import QUICK, Line
from tests.library import rows
from tests.processes import eventually
from workers.documents.batches import count_batches
from workers.documents.plan import begin_documents_run
from workers.jobs.runs import RunKind, read_run

pytestmark = pytest.mark.slow

DOCUMENTS = 20_000
BATCH = 500
KILLS = 10
LIMIT_S = 240


def held() -> set[object]:
    """The leases that are set, whoever holds them and whether or not they have run out."""
    found = rows("SELECT lease_token FROM precompute_batches WHERE lease_token IS NOT NULL")
    return {token for (token,) in found}


def held_beside(known: set[object]) -> set[object]:
    """The leases that are set and were not among the known ones."""
    return held() - known


def test_ten_kills_lose_no_document_and_each_costs_at_most_one_batch(
    documents: Documents,
    embeddings_server: EmbeddingsServer,
    configure: Callable[..., None],
    tmp_path: Path,
) -> None:
    configure(DOCUMENT_BATCH_SIZE=BATCH)
    doc_ids = documents.add_many(DOCUMENTS)
    run_id = begin_documents_run(RunKind.documents_all)
    environment = {
        **os.environ,
        **QUICK,
        "LEASE_SECONDS": "3",
        "BATCH_PROCESSES": "1",
        "BATCH_THREADS": "1",
        "EMBEDDING_BATCH_SIZE": "100",
        "EMBEDDING_TIMEOUT_S": "20",
    }
    rng = random.Random(8)
    scheduler = Line("scheduler", environment, tmp_path / "scheduler.log")
    worker = Line("batch", environment, tmp_path / "batch.log")
    try:
        send_run(run_id, RunKind.documents_all)
        for _ in range(KILLS):
            eventually(partial(held_beside, held()), lambda: worker.output, LIMIT_S)
            time.sleep(rng.uniform(0, 1))
            assert read_run(run_id).state == "running"
            worker.restart()
        eventually(lambda: read_run(run_id).state == "done", lambda: str(read_run(run_id)), LIMIT_S)
    finally:
        worker.kill()
        scheduler.kill()
    run, counts = read_run(run_id), count_batches(run_id)
    assert (run.done, run.failed, counts.batches_done) == (DOCUMENTS, 0, DOCUMENTS // BATCH)
    assert stored() == set(doc_ids)
    again = len(embeddings_server.inputs) - DOCUMENTS
    assert 0 <= again <= KILLS * BATCH
