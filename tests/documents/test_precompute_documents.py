"""Runs over documents: what is embedded, what lives on, what goes, and where a run goes on."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.collection import (
    Documents,
    document,
    now,
    stored,
    ttl_of,
    work_on,
    work_run,
)
from tests.embeddings_server import EmbeddingsServer
from workers.core.errors import RunActiveError
from workers.core.stores import stores
from workers.documents.batches import choose_batches, count_batches
from workers.documents.cleanup import cleanup_documents
from workers.documents.plan import (
    begin_documents_run,
    plan_documents,
)
from workers.documents.store import key_of
from workers.jobs.runs import RunKind, cancel_run, read_run, resume_run

pytestmark = pytest.mark.slow

Configure = Callable[..., None]
ODD_ID = "a:b/c d"
ALL, INCREMENTAL = RunKind.documents_all, RunKind.documents_incremental
STALE, CLEANUP = RunKind.documents_stale, RunKind.documents_cleanup
A_DAY_S = 86_400


@pytest.fixture
def small_batches(configure: Configure) -> None:
    configure(DOCUMENT_BATCH_SIZE=10)


def test_a_run_over_all_documents_stores_every_one(documents: Documents) -> None:
    doc_ids = documents.add_many(25)
    documents.add(ODD_ID, "日本/語", "x" * 200)
    run, counts = work_run(ALL)
    assert stored() == {*doc_ids, ODD_ID, "日本/語", "x" * 200}
    assert (run.state, run.done, run.total, run.failed, run.progress) == ("done", 28, 28, 0, 1.0)
    assert (counts.embedded, counts.unchanged) == (28, 0)
    assert ttl_of(ODD_ID) == pytest.approx(30 * A_DAY_S, abs=60)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 205])
def test_batches_cover_every_document_once_whatever_their_number(
    documents: Documents, count: int
) -> None:
    doc_ids = documents.add_many(count)
    run, counts = work_run(ALL)
    assert stored() == set(doc_ids)
    assert (run.state, run.done) == ("done", count)
    assert (counts.documents, counts.embedded) == (count, count)


def test_a_second_run_asks_the_provider_for_nothing_and_extends_every_ttl(
    documents: Documents, embeddings_server: EmbeddingsServer
) -> None:
    doc_ids = documents.add_many(30)
    work_run(ALL)
    assert len(embeddings_server.inputs) == 30
    for doc_id in doc_ids:
        stores().redis.expire(key_of("v1", doc_id), 100)
    _, counts = work_run(ALL)
    assert len(embeddings_server.inputs) == 30
    assert (counts.embedded, counts.unchanged) == (0, 30)
    assert min(map(ttl_of, doc_ids)) > 29 * A_DAY_S


def test_ten_edited_documents_are_the_only_ones_that_an_incremental_run_embeds(
    documents: Documents, embeddings_server: EmbeddingsServer
) -> None:
    doc_ids = documents.add_many(40)
    work_run(ALL)
    embeddings_server.requests.clear()
    documents.edit(*doc_ids[5:15])
    run, counts = work_run(INCREMENTAL)
    assert (run.state, counts.embedded) == ("done", 10)
    assert len(embeddings_server.inputs) == 10
    assert work_run(INCREMENTAL)[1].embedded == 0


@pytest.mark.usefixtures("small_batches")
def test_an_incremental_run_finds_documents_that_were_modified_at_the_same_moment(
    documents: Documents,
) -> None:
    at = now() - timedelta(days=1)
    doc_ids = [f"T{n:03}" for n in range(35)]
    documents.add(*doc_ids, modified_at=at)
    documents.add("later", modified_at=at + timedelta(milliseconds=1))
    run, counts = work_run(INCREMENTAL)
    assert stored() == {*doc_ids, "later"}
    assert (run.state, counts.embedded) == ("done", 36)


@pytest.mark.usefixtures("small_batches")
def test_an_incremental_run_reads_only_what_changed_since_the_last_one_began(
    documents: Documents, configure: Configure
) -> None:
    configure(DOCUMENT_OVERLAP_SECONDS=0)
    documents.add(*(f"old{n}" for n in range(30)), modified_at=now() - timedelta(hours=1))
    work_run(ALL)
    documents.add("new")
    assert work_run(INCREMENTAL)[1].documents == 1


def test_the_overlap_catches_a_document_that_became_visible_late(documents: Documents) -> None:
    documents.add_many(3)
    work_run(ALL)
    documents.add("late", modified_at=now() - timedelta(seconds=120))
    assert work_run(INCREMENTAL)[1].embedded == 1


def test_the_sweep_embeds_what_is_missing_or_was_modified_later_and_lets_the_rest_live(
    documents: Documents, embeddings_server: EmbeddingsServer
) -> None:
    doc_ids = documents.add_many(20)
    work_run(ALL)
    embeddings_server.requests.clear()
    stores().redis.delete(key_of("v1", doc_ids[0]))
    documents.edit(doc_ids[1])
    for doc_id in doc_ids[2:]:
        stores().redis.expire(key_of("v1", doc_id), 100)
    run, counts = work_run(STALE)
    assert (run.state, run.done, counts.embedded) == ("done", 20, 2)
    assert len(embeddings_server.inputs) == 2
    assert min(map(ttl_of, doc_ids)) > 29 * A_DAY_S


def test_a_document_that_was_touched_but_not_changed_is_read_once_and_fresh_again(
    documents: Documents,
) -> None:
    documents.add("A")
    work_run(ALL)
    documents.edit("A", body=document("A")["body"])
    _, counts = work_run(STALE)
    assert (counts.embedded, counts.unchanged) == (0, 1)
    ahead = datetime.now(UTC) + timedelta(minutes=10)
    documents.edit("A", body=document("A")["body"], modified_at=ahead)
    work_run(STALE)
    from workers.core.vocabulary import Codec
    from workers.documents.store import stored_heads

    assert stored_heads("v1", Codec.int8, ["A"]).ts_ms[0] >= int(ahead.timestamp() * 1000)


def test_cleanup_removes_exactly_the_documents_that_are_gone(documents: Documents) -> None:
    doc_ids = documents.add_many(30)
    documents.add(ODD_ID)
    work_run(ALL)
    documents.delete(ODD_ID, *doc_ids[:4])
    run_id = begin_documents_run(CLEANUP)
    cleanup_documents(run_id)
    assert stored() == set(doc_ids[4:])
    assert read_run(run_id).state == "done"


def test_cleanup_leaves_an_emptied_collections_keys_alone_and_says_why(
    documents: Documents, configure: Configure
) -> None:
    from workers.core.errors import SourceError

    doc_ids = documents.add_many(5)
    work_run(ALL)
    documents.delete(*doc_ids)
    run_id = begin_documents_run(CLEANUP)
    with pytest.raises(SourceError, match="empty"):
        cleanup_documents(run_id)
    assert len(stored()) == 5
    assert "the collection is empty" in (read_run(run_id).error or "")


def test_named_documents_are_embedded_and_those_that_are_gone_taken_out(
    documents: Documents,
) -> None:
    documents.add_many(5)
    work_run(ALL)
    documents.add("X")
    documents.delete("D00003")
    run, counts = work_run(RunKind.documents_ids, "X", "D00003", "D00001", "never")
    assert stored() == {"D00000", "D00001", "D00002", "D00004", "X"}
    assert (run.state, counts.embedded, counts.deleted, counts.unchanged) == ("done", 1, 2, 1)


@pytest.mark.usefixtures("small_batches")
def test_no_more_batches_than_allowed_have_a_message(
    documents: Documents, configure: Configure
) -> None:
    configure(DOCUMENT_BATCHES_UNDER_WAY=3)
    documents.add_many(100)
    run_id = begin_documents_run(ALL)
    assert plan_documents(run_id).batches == [0, 1, 2]
    assert choose_batches(run_id) == []
    from workers.documents.batch import precompute_batch

    assert precompute_batch(run_id, 1) == [3]
    assert precompute_batch(run_id, 1) is None


@pytest.mark.usefixtures("small_batches")
def test_a_cancelled_run_stops_between_batches_and_can_be_resumed(documents: Documents) -> None:
    from workers.documents.batch import precompute_batch

    documents.add_many(50)
    run_id = begin_documents_run(ALL)
    plan_documents(run_id)
    precompute_batch(run_id)
    cancel_run(run_id)
    assert precompute_batch(run_id) is None
    assert (read_run(run_id).state, len(stored())) == ("cancelled", 10)
    resume_run(run_id)
    work_on(run_id)
    run = read_run(run_id)
    assert (run.state, run.done, len(stored())) == ("done", 50, 50)


def test_no_incremental_run_walks_the_collection_beside_one_over_all_documents(
    documents: Documents,
) -> None:
    documents.add("A")
    run_id = begin_documents_run(ALL)
    with pytest.raises(RunActiveError) as refused:
        begin_documents_run(RunKind.documents_incremental)
    assert refused.value.run_id == run_id
    work_on(run_id)
    documents.edit("A")
    incremental = begin_documents_run(RunKind.documents_incremental)
    work_on(incremental)
    assert count_batches(incremental).embedded == 1


def test_one_run_of_a_kind_at_a_time_but_named_documents_at_any(documents: Documents) -> None:
    documents.add("A")
    run_id = begin_documents_run(ALL)
    with pytest.raises(RunActiveError) as refused:
        begin_documents_run(ALL)
    assert refused.value.run_id == run_id
    assert isinstance(begin_documents_run(RunKind.documents_ids, ["A"]), UUID)
    assert isinstance(begin_documents_run(RunKind.documents_ids, ["A"]), UUID)
