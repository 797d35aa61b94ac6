"""Ranking by likeness and own signals over HTTP: the parts of a score, and what is refused."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.collection import Documents, work_run
from tests.embeddings_server import EmbeddingsServer, Fault
from workers.jobs.runs import RunKind

Json = dict[str, Any]
PATH = "/documents/rerank"


@pytest.fixture
def api(documents: Documents, client: TestClient) -> TestClient:
    """The app, with three documents that have vectors."""
    documents.add("sea", title="Harbour", body="lighthouse and tide")
    documents.add("food", title="Kitchen", body="bread and soup")
    documents.add("sky", title="Stars", body="comet and moon")
    work_run(RunKind.documents_all)
    return client


def candidate(doc_id: str, **signals: float) -> Json:
    return {"doc_id": doc_id, "signals": signals}


def ranked(api: TestClient, *candidates: Json, **more: object) -> Json:
    body = {"query": "soup with bread", "candidates": candidates, **more}
    answer = api.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def by_id(found: Json) -> dict[str, Json]:
    return {each["doc_id"]: each for each in found["results"]}


def test_parts_are_normalized_over_the_candidates_and_add_up_to_the_score(api: TestClient) -> None:
    found = ranked(
        api,
        candidate("sea", bm25=12.0, quality=-1),
        candidate("food", bm25=2.0, quality=-3),
        candidate("sky", bm25=7.0, quality=-2),
        weights={"bm25": 2},
    )
    assert found["weights"] == {"semantic": 0.25, "bm25": 0.5, "quality": 0.25}
    one = by_id(found)
    assert one["sky"]["parts"]["bm25"] == {"value": 7.0, "normalized": 0.5, "score": 0.25}
    assert one["sea"]["parts"]["quality"] == {"value": -1.0, "normalized": 1.0, "score": 0.25}
    assert one["food"]["parts"]["semantic"]["normalized"] == 1.0
    assert min(each["parts"]["semantic"]["normalized"] for each in one.values()) == 0
    for each in one.values():
        assert each["missing"] == []
        assert each["score"] == pytest.approx(sum(p["score"] for p in each["parts"].values()))
    scores = [each["score"] for each in found["results"]]
    assert scores == sorted(scores, reverse=True)
    assert (found["missing"], found["degraded"]) == ([], [])


def test_an_unknown_document_is_ranked_by_its_signals_and_says_what_it_lacks(
    api: TestClient,
) -> None:
    found = ranked(
        api,
        candidate("gone", bm25=9),
        candidate("food", bm25=1),
        candidate("sky"),
        weights={"semantic": 0.5},
    )
    assert [each["doc_id"] for each in found["results"]] == ["gone", "food", "sky"]
    gone, food, sky = found["results"]
    assert (gone["missing"], list(gone["parts"])) == (["semantic"], ["bm25"])
    assert food["missing"] == []
    assert sky["missing"] == ["bm25"]
    assert found["missing"] == ["gone"]


def test_a_signal_that_is_the_same_for_all_counts_in_full_for_those_that_have_it(
    api: TestClient,
) -> None:
    one = by_id(ranked(api, candidate("sea", stars=4), candidate("sky", stars=4), candidate("x")))
    assert [one[doc_id]["parts"]["stars"]["normalized"] for doc_id in ("sea", "sky")] == [1, 1]
    assert (one["x"]["parts"], one["x"]["score"]) == ({}, 0)


def test_likeness_weighs_nothing_where_its_weight_is_0_and_a_limit_cuts(api: TestClient) -> None:
    candidates = [candidate("food", bm25=1), candidate("sea", bm25=3), candidate("sky", bm25=2)]
    found = ranked(api, *candidates, weights={"semantic": 0}, limit=2)
    assert [each["doc_id"] for each in found["results"]] == ["sea", "sky"]
    # What is cut off was compared all the same.
    assert by_id(found)["sky"]["parts"]["bm25"]["normalized"] == 0.5


def test_without_a_provider_signals_are_left_and_the_answer_says_so(
    embeddings_server: EmbeddingsServer, api: TestClient
) -> None:
    embeddings_server.fail_next(Fault("status", 503), times=5)
    found = ranked(api, candidate("food", bm25=1), candidate("sea", bm25=3))
    assert found["degraded"] == ["provider_unavailable"]
    assert [each["doc_id"] for each in found["results"]] == ["sea", "food"]
    assert all(each["missing"] == ["semantic"] for each in found["results"])


def test_no_candidates_are_no_results(api: TestClient) -> None:
    assert ranked(api)["results"] == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"candidates": [candidate("a", semantic=1)]}, "semantic is computed here"),
        ({"candidates": [candidate("a", b=1), candidate("a", b=2)]}, "twice"),
        ({"candidates": [candidate("a", b=1)], "weights": {"c": 1}}, "no candidate has a signal c"),
        ({"candidates": [candidate("a")], "weights": {"semantic": 0}}, "above 0"),
        (
            {"candidates": [candidate("a", b=1)], "weights": {"b": -1}},
            "greater than or equal to 0",
        ),
        ({"candidates": [candidate("a", b=1e101)]}, "less than or equal to"),
        ({"candidates": [{"doc_id": "a", "signals": {"b": True}}]}, "valid number"),
        ({"candidates": [{"doc_id": "a", "signals": {"b": "1"}}]}, "valid number"),
        ({"candidates": [{"doc_id": "a", "signals": {"b": None}}]}, "valid number"),
        ({"candidates": [{"doc_id": "a", "signals": {"": 1}}]}, "pattern"),
        ({"candidates": [{"doc_id": "a", "signals": {"x" * 65: 1}}]}, "at most 64"),
        ({"candidates": [candidate("a", **{f"s{n}": 1.0 for n in range(21)})]}, "at most 20"),
        ({"candidates": [candidate(f"d{n}", **{f"s{n}": 1.0}) for n in range(21)]}, "may be 20"),
        ({"candidates": [candidate(f"d{n}") for n in range(1001)]}, "at most 1000"),
        ({"candidates": [candidate("a")], "doc_ids": ["a"]}, "not permitted"),
        ({"candidates": [{"doc_id": "a", "bm25": 1}]}, "not permitted"),
    ],
)
def test_signals_that_do_not_fit_are_refused_with_the_reason(
    client: TestClient, body: Json, says: str
) -> None:
    answer = client.post(PATH, json={"query": "tea", **body})
    assert answer.status_code == 422
    assert says in " ".join(each["msg"] for each in answer.json()["errors"])


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_are_refused(client: TestClient, number: str) -> None:
    body = f'{{"query": "tea", "candidates": [{{"doc_id": "a", "signals": {{"b": {number}}}}}]}}'
    assert client.post(PATH, content=body.encode()).status_code == 422
