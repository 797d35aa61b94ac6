"""Counters that add up across processes and survive a Redis that blinks."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.embeddings_server import EmbeddingsServer, Fault
from tests.processes import eventually
from workers.core import metrics
from workers.core.counters import flush, read_counts
from workers.core.metrics import (
    EMBEDDING_DURATION,
    EMBEDDINGS_GENERATED,
    KEYS_DONE,
    NEIGHBORS_OUT_OF_RANGE,
)
from workers.core.process import holding
from workers.core.settings import settings
from workers.core.stores import redis_client, stores
from workers.core.stores import stores as open_clients
from workers.embedding.embedders import embedder
from workers.embedding.texts import embed_texts

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MODEL = "text-embedding-3-small"
Labels = frozenset[tuple[str, str]]
Value = Callable[..., float | None]
SPIN = """
local function now() local time = redis.call('TIME') return time[1] + time[2] / 1e6 end
local ends_at = now() + ARGV[1]
while now() < ends_at do end
"""


def scrape(client: TestClient) -> dict[tuple[str, Labels], float]:
    """What Prometheus reads: value by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@pytest.fixture
def value(client: TestClient) -> Value:
    """The value that Prometheus reads for a name and labels."""
    return lambda name, **labels: scrape(client).get((name, frozenset(labels.items())))


def test_what_the_embedder_did_is_shown_under_the_promised_names(
    value: Value, embeddings_server: EmbeddingsServer
) -> None:
    embed_texts(embedder(settings().student_embedding), ["a", "b", "c"])
    embeddings_server.fail_next(Fault("nan"))
    embed_texts(embedder(settings().student_embedding), ["d", "e"])
    embeddings_server.fail_next(Fault("wrong_count"))
    embed_texts(embedder(settings().student_embedding), ["f", "g"])
    for fault in (Fault("status", 401), Fault("status", 429, retry_after="9")):
        embeddings_server.fail_next(fault)
        embed_texts(embedder(settings().student_embedding), ["h"])
    assert value("embeddings_generated_total", model=MODEL) == 6
    assert value("invalid_embeddings_total", model=MODEL) == 1
    assert value("openai_api_errors_total", kind="429") == 1
    assert value("openai_api_errors_total", kind="401") == 1
    assert value("openai_api_errors_total", kind="count") == 1
    assert value("openai_api_errors_total", kind="500") is None
    assert value("embedding_generation_duration_ms_count", model=MODEL) == 4
    assert value("embedding_generation_duration_ms_bucket", model=MODEL, le="+Inf") == 4


def test_every_name_is_there_before_anything_has_been_counted(client: TestClient) -> None:
    text = client.get("/metrics").text
    for total in metrics.TOTALS:
        assert f"# TYPE {total.name} counter\n" in text
    for distribution in metrics.DISTRIBUTIONS:
        assert f"# TYPE {distribution.name} histogram\n" in text


def test_a_histogram_counts_each_value_up_from_its_bound(client: TestClient) -> None:
    for milliseconds in (0.5, 1, 1.5, 7, 30_000):
        EMBEDDING_DURATION.observe(milliseconds, model=MODEL)
    found = scrape(client)

    def bucket(bound: str) -> float:
        labels = frozenset({("model", MODEL), ("le", bound)})
        return found["embedding_generation_duration_ms_bucket", labels]

    assert [bucket(b) for b in ("1.0", "2.0", "5.0", "10.0", "20000.0", "+Inf")] == [
        2, 3, 3, 4, 4, 5,
    ]  # fmt: skip
    labels = frozenset({("model", MODEL)})
    assert found["embedding_generation_duration_ms_sum", labels] == pytest.approx(30_010)


def test_labels_may_hold_any_text(value: Value) -> None:
    strange = 'a "model", with\nnew lines\\ and {braces}'
    EMBEDDINGS_GENERATED.add(2, model=strange)
    assert value("embeddings_generated_total", model=strange) == 2


def test_the_counts_of_two_processes_add_up(value: Value) -> None:
    code = """
from workers.core.boot import open_process
from workers.core.metrics import EMBEDDING_DURATION, KEYS_DONE
with open_process("test"):
    for _ in range(100):
        KEYS_DONE.add(1, kind="student_embedding")
    EMBEDDING_DURATION.observe(3, model="m")
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    KEYS_DONE.add(5, kind="student_embedding")
    assert value("keys_done_total", kind="student_embedding") == 205
    assert value("embedding_generation_duration_ms_count", model="m") == 2
    assert value("embedding_generation_duration_ms_sum", model="m") == 6


def test_counts_are_kept_while_redis_takes_none_and_added_once_afterwards(value: Value) -> None:
    KEYS_DONE.add(3, kind="student_embedding")
    client = stores().redis
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.ResponseError):
            client.set("x", 1)
        flush()
        KEYS_DONE.add(4, kind="student_embedding")
        flush()
    finally:
        client.config_set("maxmemory", 0)
    assert value("keys_done_total", kind="student_embedding") == 7
    assert value("keys_done_total", kind="student_embedding") == 7


def test_counts_that_redis_takes_too_late_to_say_so_are_added_once(stores: None) -> None:
    impatient = redis_client(os.environ["REDIS_URL"], timeout_s=0.2)
    busy = threading.Thread(target=keep_busy, args=[2.0])
    with impatient, holding(replace(open_clients(), redis=impatient)):
        impatient.ping()  # who has to connect first sends nothing
        KEYS_DONE.add(3, kind="student_embedding")
        busy.start()
        eventually(is_busy)
        flush()
        KEYS_DONE.add(4, kind="student_embedding")
        busy.join()
        flush()
    assert read_counts() == {("keys_done_total", "", "student_embedding"): 7}


def keep_busy(seconds: float) -> None:
    """Let Redis answer nobody for a while; it works off afterwards what it was sent."""
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as other:
        other.eval(SPIN, 0, seconds)


def is_busy() -> bool:
    with redis_client(os.environ["REDIS_URL"], timeout_s=0.2, retries=0) as other:
        try:
            other.ping()
        except redis.TimeoutError:
            return True
        return False


def test_a_lost_connection_costs_no_count(value: Value) -> None:
    NEIGHBORS_OUT_OF_RANGE.add(1)
    flush()
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as other:
        other.client_kill_filter(_type="normal", skipme=True)
    NEIGHBORS_OUT_OF_RANGE.add(1)
    flush()
    assert value("neighbor_similarity_out_of_range_total") == 2


def test_the_ledgers_state_is_shown_beside_the_counters(client: TestClient) -> None:
    found = scrape(client)
    for name in ("total", "fresh", "stale", "dead", "coverage", "oldest_stale_s", "limit_s"):
        labels = frozenset({("kind", "student_neighbors")})
        assert (f"freshness_{name}", labels) in found
