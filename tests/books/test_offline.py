"""Figures on loans held out, measured by the nightly run: stored with the model, and read again."""

import pytest
from starlette.testclient import TestClient

from tests.shelf import book, loan, record, student
from workers.books import offline
from workers.books.build_model import build_model
from workers.books.read_loans import read_loans
from workers.jobs.runs import RunKind, create_run

pytestmark = pytest.mark.slow

READERS = 40


@pytest.fixture
def library(stores: None) -> None:
    """Two tastes of thirty books, forty readers, each with a loan every few days until today."""
    record(*(book(number, genre=["space", "dogs"][number % 2 :][:1]) for number in range(60)))
    record(*(student(f"S{number}") for number in range(READERS)))
    record(
        *(
            loan(f"S{reader}", (reader * 7 + place * 11) % 30 * 2 + reader % 2, 60 - 4 * place)
            for reader in range(READERS)
            for place in range(15)
        )
    )


def test_the_run_measures_before_it_solves_and_the_figures_are_read_with_the_model(
    library: None, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/recommendations/quality").json()["offline"] is None
    build_model(create_run(RunKind.recommendation_model))
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    (line,) = (line for line in lines if line["event"] == "recommendations_measured")
    figures = client.get("/recommendations/quality").json()["offline"]
    systems = {system["name"]: system for system in figures["systems"]}
    assert {"blend", "blend, as shown", "popular", "item-kNN", "EASE alone"} <= set(systems)
    blend, popular = systems["blend"]["ndcg"], systems["popular"]["ndcg"]
    assert blend["low"] <= blend["mean"] <= blend["high"]
    assert blend["mean"] > popular["mean"]
    assert systems["popular"]["against"]["high"] < 0
    assert 0 < systems["blend"]["coverage"] <= 1
    assert "bootstrap" in figures["interval"]
    assert figures["loans"] == READERS * 15
    assert 0 < figures["held_out"] <= 0.1 * figures["loans"]
    assert line["blend_ndcg"] == pytest.approx(blend["mean"], abs=1e-4)
    assert line["readers"] == figures["readers"] >= 30


def test_too_few_readers_have_no_figures(
    library: None, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "MAX_STUDENTS", 20)
    assert offline.measure_offline(read_loans(1000)) is None
    build_model(create_run(RunKind.recommendation_model))
    assert client.get("/recommendations/quality").json()["offline"] is None


def test_of_too_many_students_some_are_drawn(
    library: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline, "MAX_STUDENTS", 35)
    found = offline.measure_offline(read_loans(1000))
    assert found is not None
    assert found.loans == 35 * 15
