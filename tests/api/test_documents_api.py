"""Documents over HTTP: begin runs, read, rank, and every way to ask wrongly."""

import time
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote
from uuid import UUID, uuid4

import numpy as np
import pytest
from pymongo import MongoClient
from starlette.testclient import TestClient

from embedded.ports import free_port
from tests.collection import Documents, stored, value_of, work_on, work_run
from tests.embeddings_server import EmbeddingsServer, Fault
from workers.core.errors import SourceError
from workers.core.settings import settings
from workers.core.stores import opened_stores
from workers.core.stores import stores as open_clients
from workers.documents import coverage
from workers.documents.cleanup import cleanup_documents
from workers.documents.store import ACTIVE, key_of
from workers.documents.text import hash_text
from workers.embedding.embedders import embedder
from workers.jobs.runs import RunKind

pytestmark = pytest.mark.slow

Configure = Callable[..., None]
ODD_ID = "a:b/c d"
ALL = RunKind.documents_all


@pytest.fixture
def api(documents: Documents, client: TestClient) -> TestClient:
    """The app, on an empty collection."""
    return client


def reason(client: TestClient, path: str) -> tuple[int, str]:
    answer = client.get(path)
    return answer.status_code, answer.json()["reason"]


def test_a_run_is_begun_followed_and_covers_everything(
    api: TestClient, documents: Documents
) -> None:
    documents.add_many(12)
    answer = api.post("/documents/precompute", json={"mode": "all"})
    assert answer.status_code == 202
    run_id = answer.json()["run_id"]
    again = api.post("/documents/precompute", json={"mode": "all"})
    assert (again.status_code, again.json()["run_id"]) == (409, run_id)
    assert api.get("/documents/coverage").json()["missing"] == 12
    work_on(UUID(run_id))
    run = api.get(f"/runs/{run_id}").json()
    assert (run["kind"], run["state"], run["done"], run["failed"]) == (
        "documents_all",
        "done",
        12,
        0,
    )
    documents.edit("D00003")
    documents.add("new")
    found = api.get("/documents/coverage").json()
    counts = {name: found[name] for name in ("documents", "fresh", "stale", "missing", "failed")}
    assert counts == {"documents": 13, "fresh": 11, "stale": 1, "missing": 1, "failed": 0}
    assert found["coverage"] == pytest.approx(11 / 13)
    assert 0 <= found["oldest_stale_s"] < 60
    assert (found["ok"], found["limit_s"]) == (True, 86_400)


def test_coverage_is_not_ok_when_a_change_waits_longer_than_the_limit(
    api: TestClient, documents: Documents, configure: Configure
) -> None:
    documents.add_many(2)
    work_run(ALL)
    configure(DOCUMENT_STALENESS_LIMIT_SECONDS="0.001")
    assert api.get("/documents/coverage").json()["ok"]
    documents.edit("D00001")
    time.sleep(0.01)
    assert not api.get("/documents/coverage").json()["ok"]


def test_the_coverage_of_a_large_collection_is_that_of_a_sample_as_it_is_now(
    api: TestClient,
    documents: Documents,
    configure: Configure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(coverage, "MEASURED_AT_ONCE", 20)
    configure(DOCUMENT_BATCH_SIZE="10")
    documents.add_many(39)
    documents.add("bad", body=3)
    assert api.get("/documents/coverage").status_code == 404
    work_run(ALL)
    found = api.get("/documents/coverage").json()
    assert found["looked_at"] == 20
    assert (found["documents"], found["failed"], found["ok"]) == (40, 1, True)
    assert found["fresh"] in (38, 40)
    open_clients().redis.delete(*[key_of("v1", doc_id) for doc_id in stored()])
    found = api.get("/documents/coverage").json()
    assert (found["fresh"], found["missing"], found["coverage"]) == (0, 40, 0)


def test_coverage_is_not_ok_when_vectors_are_gone_whose_documents_are_older_than_the_limit(
    api: TestClient, documents: Documents, configure: Configure
) -> None:
    documents.add_many(3)
    work_run(ALL)
    open_clients().redis.delete(*[key_of("v1", doc_id) for doc_id in stored()])
    configure(DOCUMENT_STALENESS_LIMIT_SECONDS="0.001")
    found = api.get("/documents/coverage").json()
    assert (found["coverage"], found["ok"]) == (0, False)


@pytest.mark.parametrize("codec", ["json", "float32", "float16", "int8"])
def test_a_vector_is_read_the_same_way_whatever_the_codec(
    api: TestClient, documents: Documents, configure: Configure, codec: str
) -> None:
    configure(DOCUMENT_CODEC=codec)
    documents.add(ODD_ID, title="Tea", body="in the harbour")
    work_run(ALL)
    found = api.get(f"/documents/{quote(ODD_ID, safe='')}/embedding").json()
    (exact,) = embedder(settings().document_embedding).embed_batch(["Tea in the harbour"])
    assert (found["doc_id"], found["dim"], found["ver"]) == (ODD_ID, 300, "v1")
    assert found["content_hash"] == f"{hash_text('Tea in the harbour'):08x}"
    assert datetime.fromisoformat(found["ts"]).tzinfo is not None
    np.testing.assert_allclose(found["emb"], exact, atol=0.004)


def test_a_value_in_json_is_plain_for_other_readers(
    documents: Documents, configure: Configure
) -> None:
    configure(DOCUMENT_CODEC="json")
    documents.add("A")
    work_run(ALL)
    import json

    value = json.loads(value_of("A") or b"")
    assert value.keys() == {"emb", "dim", "ver", "ts", "hash"}
    assert (len(value["emb"]), value["dim"], value["ver"]) == (300, 300, "v1")


def test_many_vectors_come_in_one_answer_with_those_that_are_missing(
    api: TestClient, documents: Documents
) -> None:
    doc_ids = documents.add_many(3)
    work_run(ALL)
    answer = api.post("/documents/embeddings", json={"doc_ids": [*doc_ids, ODD_ID, doc_ids[0]]})
    body = answer.json()
    assert (set(body["embeddings"]), body["missing"]) == (set(doc_ids), [ODD_ID])
    assert body["version"] == "v1"


def test_candidates_are_ranked_by_cosine_and_missing_ones_reported(
    api: TestClient, documents: Documents
) -> None:
    documents.add("sea", title="Harbour", body="lighthouse and tide")
    documents.add("food", title="Kitchen", body="bread and soup")
    documents.add("sky", title="Stars", body="comet and moon")
    work_run(ALL)
    question = {"query": "soup with bread", "doc_ids": ["sea", "food", "gone", "sky"]}
    body = api.post("/documents/rerank", json=question).json()
    assert body["results"][0]["doc_id"] == "food"
    assert {each["doc_id"] for each in body["results"]} == {"sea", "food", "sky"}
    assert body["missing"] == ["gone"]
    exact = embedder(settings().document_embedding).embed_batch(
        ["soup with bread", "Kitchen bread and soup"]
    )
    assert body["results"][0]["score"] == pytest.approx(float(exact[0] @ exact[1]), abs=0.002)
    best = api.post("/documents/rerank", json=question | {"limit": 1}).json()
    assert [each["doc_id"] for each in best["results"]] == ["food"]


def test_failures_are_listed_in_pages(api: TestClient, documents: Documents) -> None:
    documents.add(*(f"bad{n}" for n in range(5)), body=1)
    work_run(ALL)
    first = api.get("/documents/failures?limit=3").json()
    second = api.get(
        "/documents/failures", params={"limit": 3, "cursor": first["next_cursor"]}
    ).json()
    listed = [each["doc_id"] for each in first["failures"] + second["failures"]]
    assert listed == [f"bad{n}" for n in range(5)]
    assert second["next_cursor"] is None
    assert first["failures"][0]["reason"] == "body_not_text"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/documents/precompute", {"mode": "everything"}),
        ("/documents/precompute", {}),
        ("/documents/precompute", {"mode": "all", "doc_ids": ["A"]}),
        ("/documents/precompute", {"doc_ids": []}),
        ("/documents/precompute", {"mode": "all", "extra": 1}),
        ("/documents/embeddings", {"doc_ids": ["x"] * 1001}),
        ("/documents/embeddings", {"doc_ids": ["x", ""]}),
        ("/documents/embeddings", {"doc_ids": "x"}),
        ("/documents/embeddings", {}),
        ("/documents/rerank", {"query": "", "doc_ids": ["x"]}),
        ("/documents/rerank", {"query": "  ", "doc_ids": ["x"]}),
        ("/documents/rerank", {"query": "x", "doc_ids": ["x"] * 1001}),
        ("/documents/rerank", {"query": "x", "doc_ids": ["x"], "limit": 0}),
        ("/documents/rerank", {"doc_ids": ["x"]}),
    ],
)
def test_questions_that_do_not_fit_are_refused(
    api: TestClient, path: str, body: dict[str, object]
) -> None:
    assert api.post(path, json=body).status_code == 422


def test_bodies_that_are_no_json_are_refused(api: TestClient) -> None:
    for path in ("precompute", "embeddings", "rerank"):
        assert api.post(f"/documents/{path}", content=b"{").status_code == 400
        assert api.post(f"/documents/{path}").status_code == 400


def test_unknown_documents_and_versions_have_a_reason(
    api: TestClient, documents: Documents
) -> None:
    assert reason(api, "/documents/A/embedding") == (404, "no_active_version")
    assert reason(api, "/documents/coverage") == (404, "no_active_version")
    documents.add("A")
    work_run(ALL)
    assert reason(api, "/documents/B/embedding") == (404, "unknown_document")
    assert api.post("/documents/versions/v9/activate").json()["reason"] == "unknown_version"
    assert api.get("/documents/failures?cursor=%C3%A9").status_code == 422
    assert api.post(f"/runs/{uuid4()}/resume").status_code == 404


def test_a_query_that_the_provider_makes_no_vector_of_is_refused(
    api: TestClient, documents: Documents, embeddings_server: EmbeddingsServer
) -> None:
    documents.add("A")
    work_run(ALL)
    embeddings_server.fail_next(Fault("nan"))
    answer = api.post("/documents/rerank", json={"query": "tea", "doc_ids": ["A"]})
    assert (answer.status_code, answer.json()["reason"]) == (422, "no_embedding")


def test_a_source_that_is_not_there_is_503_with_a_reason(
    api: TestClient, documents: Documents, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> tuple[int, str]:
        answer = api.post("/documents/precompute", json={"mode": "all"})
        return answer.status_code, answer.json()["reason"]

    documents.add("A")
    work_run(ALL)
    configure(MONGO_COLLECTION="nowhere")
    assert refused() == (503, "mongo_collection_missing")
    there = open_clients().mongo
    object.__setattr__(
        open_clients(),
        "mongo",
        MongoClient(f"mongodb://127.0.0.1:{free_port()}", serverSelectionTimeoutMS=50),
    )
    assert refused() == (503, "mongo_down")
    assert reason(api, "/documents/coverage") == (503, "mongo_down")
    away = open_clients().mongo
    object.__setattr__(open_clients(), "mongo", there)
    assert away is not None
    away.close()
    monkeypatch.delenv("MONGO_URL")
    settings.cache_clear()
    with opened_stores():
        assert refused() == (503, "mongo_not_configured")
        # What is stored can be read all the same.
        assert api.get("/documents/A/embedding").status_code == 200
        assert api.get("/freshness").status_code == 200


def test_a_redis_that_lost_its_data_knows_the_active_version_again(
    api: TestClient, documents: Documents
) -> None:
    documents.add("A")
    work_run(ALL)
    open_clients().redis.flushall()
    assert reason(api, "/documents/A/embedding") == (404, "unknown_document")
    assert open_clients().redis.get(ACTIVE) == b"v1"
    work_run(RunKind.documents_stale)
    assert api.get("/documents/A/embedding").status_code == 200


def test_a_finished_run_is_not_resumed(api: TestClient, documents: Documents) -> None:
    documents.add("A")
    run, _ = work_run(ALL)
    assert api.post(f"/runs/{run.run_id}/resume").status_code == 409


def test_a_failed_cleanup_is_resumed_over_http(api: TestClient, documents: Documents) -> None:
    documents.add("A")
    work_run(ALL)
    documents.delete("A")
    run_id = api.post("/documents/precompute", json={"mode": "cleanup"}).json()["run_id"]
    for _ in range(settings().max_attempts):
        with pytest.raises(SourceError):
            cleanup_documents(UUID(run_id))
    assert api.get(f"/runs/{run_id}").json()["state"] == "failed"
    documents.add("B")
    assert api.post(f"/runs/{run_id}/resume").status_code == 202
    cleanup_documents(UUID(run_id))
    assert api.get(f"/runs/{run_id}").json()["state"] == "done"
    assert value_of("A") is None
