"""What happens to a documents run meanwhile: documents deleted and edited, workers lost."""

from collections.abc import Callable

import pytest

from tests.collection import (
    Documents,
    now,
    stored,
    value_of,
    work_on,
    work_run,
)
from tests.embeddings_server import EmbeddingsServer
from tests.library import change
from workers.documents.batch import precompute_batch
from workers.documents.batches import count_batches
from workers.documents.failures import list_failures
from workers.documents.plan import begin_documents_run, plan_documents
from workers.documents.store import delete_values
from workers.jobs.runs import RunKind, find_waiting, read_run, resume_run

Configure = Callable[..., None]
ALL, INCREMENTAL = RunKind.documents_all, RunKind.documents_incremental


def failures() -> dict[str, str]:
    return {failure.doc_id: failure.reason for failure in list_failures("v1", 1000)}


# Few documents are looked up by name, many as the range that they are of.
LOOKS = pytest.mark.parametrize("max_named_ids", [100, 0], ids=["by name", "as a range"])


@LOOKS
def test_a_document_that_is_deleted_while_it_is_embedded_does_not_come_back(
    documents: Documents,
    embeddings_server: EmbeddingsServer,
    monkeypatch: pytest.MonkeyPatch,
    max_named_ids: int,
) -> None:
    monkeypatch.setattr("workers.documents.read_batch.MAX_NAMED_IDS", max_named_ids)
    documents.add("A", "B", "C")

    def delete_meanwhile(texts: list[str]) -> None:
        documents.delete("B")
        delete_values("v1", ["B"])

    embeddings_server.before_answer = delete_meanwhile
    run, counts = work_run(ALL)
    assert stored() == {"A", "C"}
    assert (run.state, counts.deleted) == ("done", 1)


@LOOKS
def test_a_document_that_is_edited_while_it_is_embedded_ends_with_its_last_text(
    documents: Documents,
    embeddings_server: EmbeddingsServer,
    monkeypatch: pytest.MonkeyPatch,
    max_named_ids: int,
) -> None:
    monkeypatch.setattr("workers.documents.read_batch.MAX_NAMED_IDS", max_named_ids)
    documents.add("A", "B")
    edits = iter(["a second text", "a third text"])

    def edit_meanwhile(texts: list[str]) -> None:
        body = next(edits, None)
        if body:
            documents.edit("B", body=body, modified_at=now())

    embeddings_server.before_answer = edit_meanwhile
    work_run(ALL)
    assert embeddings_server.requests[-1] == ["Title of B a third text"]
    last = value_of("B")
    embeddings_server.before_answer = None
    assert work_run(ALL)[1].embedded == 0
    assert value_of("B") is not None
    assert last is not None
    assert value_of("B")[14:] == last[14:]  # type: ignore[index]  # checked above


def test_an_edited_text_that_fails_keeps_the_vector_that_was_there(
    documents: Documents, embeddings_server: EmbeddingsServer
) -> None:
    documents.add("A")
    work_run(ALL)
    embeddings_server.refused = {"forbidden"}
    documents.edit("A", body="forbidden words")
    work_run(INCREMENTAL)
    assert (failures(), stored()) == ({"A": "refused"}, {"A"})


def test_a_batch_whose_worker_was_lost_is_done_by_another_after_its_lease(
    documents: Documents, configure: Configure
) -> None:
    documents.add_many(5)
    run_id = begin_documents_run(ALL)
    plan_documents(run_id)
    change(
        "UPDATE precompute_batches SET lease_token = gen_random_uuid(), attempts = 1,"
        " lease_until = now() + interval '1 minute'"
    )
    assert precompute_batch(run_id) is None
    change("UPDATE precompute_batches SET lease_until = now()")
    change("UPDATE runs SET last_sent = '-infinity'")
    assert find_waiting() == [(run_id, ALL)]
    work_on(run_id)
    assert (read_run(run_id).state, len(stored())) == ("done", 5)


def test_a_batch_that_kills_its_workers_is_given_up_and_the_others_are_done(
    documents: Documents, configure: Configure
) -> None:
    configure(DOCUMENT_BATCH_SIZE=10, MAX_ATTEMPTS=2)
    documents.add_many(30)
    run_id = begin_documents_run(ALL)
    plan_documents(run_id)
    change("UPDATE precompute_batches SET attempts = 2 WHERE batch_no = 1")
    work_on(run_id)
    run = read_run(run_id)
    assert (run.state, len(stored())) == ("failed", 20)
    assert "worker was lost" in (run.error or "")
    assert count_batches(run_id).batches_done == 2
    resume_run(run_id)
    work_on(run_id)
    assert (read_run(run_id).state, len(stored())) == ("done", 30)


def test_a_worker_that_lost_its_batch_stores_nothing_in_its_name(
    documents: Documents, embeddings_server: EmbeddingsServer, configure: Configure
) -> None:
    documents.add_many(5)
    configure(LEASE_SECONDS=0.001, OPENAI_BASE_URL=embeddings_server.url)
    run_id = begin_documents_run(ALL)
    plan_documents(run_id)

    def another_worker(texts: list[str]) -> None:
        change("UPDATE precompute_batches SET lease_token = gen_random_uuid()")

    embeddings_server.before_answer = another_worker
    assert precompute_batch(run_id) == []
    assert stored() == set()
    assert count_batches(run_id).batches_done == 0
