"""Bad days of a documents run: bad documents, a bad provider, stores and sources that are away."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from embedded.ports import free_port
from tests.collection import (
    Documents,
    document,
    make_batches_due,
    now,
    stored,
    work_on,
    work_run,
)
from tests.embeddings_server import EmbeddingsServer, Fault
from tests.library import rows
from workers.core.settings import settings
from workers.core.stores import opened_stores, stores
from workers.documents import refresh
from workers.documents.batch import precompute_batch
from workers.documents.failures import list_failures
from workers.documents.plan import begin_documents_run, plan_documents
from workers.embedding.limits import PAUSED
from workers.jobs.runs import RunKind, read_run, resume_run

pytestmark = pytest.mark.slow

Configure = Callable[..., None]
ALL, INCREMENTAL, STALE = (
    RunKind.documents_all,
    RunKind.documents_incremental,
    RunKind.documents_stale,
)


def failures() -> dict[str, str]:
    return {failure.doc_id: failure.reason for failure in list_failures("v1", 1000)}


def provider_recovers() -> None:
    stores().redis.delete(PAUSED)


@pytest.fixture
def impatient(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are put back at once instead of waiting for the provider."""
    monkeypatch.setattr(refresh, "PATIENCE_S", 0.0)
    configure(DOCUMENT_BATCH_SIZE=10, MAX_ATTEMPTS=2)


def test_bad_documents_are_listed_with_their_reason_and_the_rest_is_stored(
    documents: Documents,
) -> None:
    good = documents.add_many(5)
    documents.collection.insert_many(
        [
            document("body-list", body=["x"]),
            document("body-missing", body=...),
            document("title-number", title=7),
            document("blank", title=" ", body="\n"),
            document("control\x07", body="text"),
            document("x" * 201, body="text"),
            document("no-title", title=...),
            document("number") | {"doc_id": 12},
            {"title": "no id", "body": "at all"},
        ]
    )
    run, _ = work_run(ALL)
    assert run.state == "done"
    assert stored() == {*good, "no-title"}
    found = failures()
    assert sorted(found.values()) == sorted(
        ["body_not_text"] * 2
        + ["title_not_text", "empty_text"]
        + ["bad_doc_id"] * 2
        + ["no_doc_id"] * 2
    )
    assert found["body-missing"] == "body_not_text"
    assert all(failure.dead_at for failure in list_failures("v1", 1000))


def test_a_mended_document_is_embedded_and_its_failure_forgotten(documents: Documents) -> None:
    documents.add("A", body=5)
    work_run(ALL)
    assert failures() == {"A": "body_not_text"}
    documents.edit("A")
    work_run(INCREMENTAL)
    assert (failures(), stored()) == ({}, {"A"})


def test_texts_that_the_provider_refuses_fail_alone_and_are_not_asked_for_again(
    documents: Documents, embeddings_server: EmbeddingsServer
) -> None:
    doc_ids = documents.add_many(60)
    embeddings_server.refused = {"D00007", "D00031"}
    run, counts = work_run(ALL)
    assert (run.state, run.failed, counts.embedded) == ("done", 2, 58)
    assert failures() == {"D00007": "refused", "D00031": "refused"}
    assert stored() == set(doc_ids) - {"D00007", "D00031"}
    embeddings_server.requests.clear()
    for kind in (ALL, STALE, INCREMENTAL):
        assert work_run(kind)[0].state == "done"
    assert embeddings_server.inputs == []
    assert failures() == {"D00007": "refused", "D00031": "refused"}


@pytest.mark.usefixtures("impatient")
def test_an_invalid_vector_is_tried_again_by_the_next_runs_until_it_is_given_up(
    documents: Documents, embeddings_server: EmbeddingsServer, configure: Configure
) -> None:
    configure(RETRY_BASE_SECONDS=0, DOCUMENT_OVERLAP_SECONDS=0)
    documents.add("A", modified_at=now() - timedelta(hours=1))
    embeddings_server.fail_next(Fault("nan"), times=2)
    work_run(ALL)
    (failure,) = list_failures("v1", 10)
    assert (failure.reason, failure.attempts, failure.dead_at) == ("invalid_embedding", 1, None)
    assert work_run(INCREMENTAL)[1].documents == 1
    (failure,) = list_failures("v1", 10)
    assert failure.attempts == 2
    assert failure.dead_at is not None


def test_refused_documents_and_dropped_requests_leave_an_exact_list_and_nothing_missing(
    documents: Documents, embeddings_server: EmbeddingsServer, configure: Configure
) -> None:
    configure(EMBEDDING_BATCH_SIZE=20, DOCUMENT_BATCH_SIZE=200)
    doc_ids = documents.add_many(1000)
    embeddings_server.refused = {"number D00500"}
    asked = 0
    lock = threading.Lock()

    def drop_one_in_fifty(texts: list[str]) -> None:
        nonlocal asked
        with lock:
            asked += 1
            if asked % 50 == 0:
                embeddings_server.fail_next(Fault("drop"))

    embeddings_server.before_answer = drop_one_in_fifty
    run, _ = work_run(ALL)
    for _ in range(20):
        if run.state == "done":
            break
        provider_recovers()
        make_batches_due()
        work_on(run.run_id)
        run = read_run(run.run_id)
    assert (run.state, run.failed) == ("done", 1)
    assert failures() == {"D00500": "refused"}
    assert stored() == set(doc_ids) - {"D00500"}


@pytest.mark.usefixtures("impatient")
def test_a_provider_that_is_down_puts_batches_off_without_burning_attempts(
    documents: Documents, embeddings_server: EmbeddingsServer
) -> None:
    documents.add_many(30)
    embeddings_server.fail_next(Fault("status", 429, retry_after="60"), times=1)
    run_id = begin_documents_run(ALL)
    plan_documents(run_id)
    for _ in range(4):
        assert precompute_batch(run_id, 0) == []
        make_batches_due()
    assert rows("SELECT attempts FROM precompute_batches WHERE batch_no = 0") == [(0,)]
    run = read_run(run_id)
    assert run.state == "running"
    assert "provider" in (run.error or "")
    provider_recovers()
    work_on(run_id)
    assert (read_run(run_id).state, len(stored())) == ("done", 30)
    assert read_run(run_id).error is None


@pytest.mark.usefixtures("impatient")
def test_a_denied_key_fails_the_run_at_once_and_it_can_be_resumed(
    documents: Documents, embeddings_server: EmbeddingsServer
) -> None:
    documents.add_many(30)
    embeddings_server.api_key = "another"
    run, _ = work_run(ALL)
    assert run.state == "failed"
    assert "401" in (run.error or "")
    assert len(embeddings_server.requests) == 1
    embeddings_server.api_key = None
    resume_run(run.run_id)
    work_on(run.run_id)
    assert (read_run(run.run_id).state, len(stored())) == ("done", 30)


@pytest.mark.usefixtures("impatient")
def test_a_mongodb_that_is_away_fails_the_run_with_the_reason_and_it_can_be_resumed(
    documents: Documents,
) -> None:
    doc_ids = documents.add_many(30)
    run_id = begin_documents_run(ALL)
    plan_documents(run_id)
    precompute_batch(run_id)
    there = stores().mongo
    away: MongoClient[dict[str, Any]] = MongoClient(
        f"mongodb://127.0.0.1:{free_port()}", serverSelectionTimeoutMS=50, connect=False
    )
    object.__setattr__(stores(), "mongo", away)
    for _ in range(settings().max_attempts):
        make_batches_due()
        precompute_batch(run_id, 1)
    away.close()
    object.__setattr__(stores(), "mongo", there)
    run = read_run(run_id)
    assert run.state == "failed"
    assert "MongoDB does not answer" in (run.error or "")
    resume_run(run_id)
    work_on(run_id)
    run = read_run(run_id)
    assert (run.state, run.done, stored()) == ("done", 30, set(doc_ids))


def test_a_full_redis_fails_the_run_with_the_reason_and_it_can_be_resumed(
    documents: Documents, configure: Configure
) -> None:
    configure(MAX_ATTEMPTS=1)
    documents.add_many(5)
    run_id = begin_documents_run(ALL)
    plan_documents(run_id)
    stores().redis.config_set("maxmemory", 1)
    try:
        precompute_batch(run_id)
    finally:
        stores().redis.config_set("maxmemory", 0)
    run = read_run(run_id)
    assert run.state == "failed"
    assert "maxmemory" in (run.error or "")
    resume_run(run_id)
    work_on(run_id)
    assert (read_run(run_id).state, len(stored())) == ("done", 5)


def test_a_collection_that_does_not_exist_fails_the_run_with_the_reason(
    documents: Documents, configure: Configure
) -> None:
    configure(MONGO_COLLECTION="nowhere", MAX_ATTEMPTS=1)
    run_id = begin_documents_run(ALL)
    from workers.core.errors import SourceError

    with pytest.raises(SourceError, match="no collection nowhere"):
        plan_documents(run_id)
    assert read_run(run_id).state == "failed"
    assert "no collection nowhere" in (read_run(run_id).error or "")


def test_documents_without_a_source_are_refused_and_nothing_else_breaks(
    stores: None, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.core.errors import SourceError
    from workers.documents.source import check_source

    monkeypatch.delenv("MONGO_URL")
    settings.cache_clear()
    with opened_stores(), pytest.raises(SourceError) as refused:
        check_source()
    assert refused.value.reason == "mongo_not_configured"
