"""Documents: end to end through the queue, codecs, memory, lookups.

`python -m bench.documents [--documents 20000]` on the embedded stack; `make bench-documents-1m` is
the same with a million. Beside Kinfold in the same run: the naive design, which is one request per
document, JSON text and one SET each.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from bench.document_collection import fill_collection, texts
from bench.originals_documents import naive_rate
from bench.report import Figure, print_table, write_json
from bench.stack import prepared, resident_mb, running
from workers.core.process import process
from workers.core.settings import settings
from workers.core.stores import stores
from workers.core.vocabulary import HASHING_MODEL, Codec, EmbeddingSpec
from workers.documents.batches import count_batches
from workers.documents.codecs import decode, encode
from workers.documents.plan import begin_documents_run, plan_documents
from workers.documents.read import read_vectors
from workers.documents.store import PREFIX, write_values
from workers.embedding.hashing import HashingEmbedder
from workers.jobs.heartbeats import list_workers
from workers.jobs.runs import RunKind, cancel_run, read_run

PROVIDER_DELAY_S = 0.02
# A provider's own limits are not what is measured.
UNLIMITED = {"EMBEDDING_REQUESTS_PER_MINUTE": 10**9, "EMBEDDING_TOKENS_PER_MINUTE": 10**12}
MAX_THROUGH_PROVIDER = 20_000
CODEC_ROWS = 20_000
QUERIES = 200
LOOKUPS = 2000
TENTHS = 10
PROCESSES = 2


def main() -> None:
    """Measure, print, and write bench/results/documents.json."""
    parser = argparse.ArgumentParser(description="Measure documents.")
    parser.add_argument("--documents", type=int, default=20_000)
    count = parser.parse_args().documents
    sections: dict[str, list[Figure]] = {}

    def note(title: str, figures: list[Figure]) -> None:
        sections[title] = figures
        print_table(title, figures)

    with prepared(
        mongo=True,
        BATCH_PROCESSES=PROCESSES,
        BATCH_THREADS=1,
        # Made-up words mean nothing; what meaning costs is measured with prose (bench/embedder.py).
        EMBEDDING_MODEL=HASHING_MODEL,
        **UNLIMITED,
    ):
        fill_collection(count)
        # How many bytes a document takes is the allocator's to say.
        memory = f"Redis with {stores().redis.info('memory')['mem_allocator']}"
        note(f"{count:,} documents through the queue, {memory}", through_the_queue(count))
        note(f"lookups among {count:,} documents, {memory}", lookups(count))
        note(f"{min(count, 10_000):,} documents, the naive design", naive(min(count, 10_000)))
        fewer = min(count, MAX_THROUGH_PROVIDER)
        note(f"{fewer:,} documents, a provider of 20 ms a request", through_a_provider(fewer))
        note(f"codecs, {memory}", codecs())
    print(f"\nwritten: {write_json('documents', sections)}")


def through_the_queue(count: int) -> list[Figure]:
    """A whole run by the worker line and the scheduler, then one over what is unchanged."""
    planning_s = planning_time()
    before = used_memory()
    embedded_s, memory = timed_run(RunKind.documents_all)
    grown = used_memory() - before
    unchanged_s, _ = timed_run(RunKind.documents_all)
    sweep_s, _ = timed_run(RunKind.documents_stale)
    return [
        Figure("documents embedded and stored", count / embedded_s, "per s"),
        Figure("the whole run", embedded_s, "s"),
        Figure("planning alone", count / planning_s, "per s"),
        Figure("run over unchanged documents", count / unchanged_s, "per s"),
        Figure("sweep over fresh documents", count / sweep_s, "per s"),
        Figure("store, int8 at 300 dimensions, all in", grown / count, "bytes a document"),
        *(
            Figure(f"resident memory of {line} at {tenth / TENTHS:.0%}", mb, "MB")
            for tenth, lines in enumerate(memory, 1)
            for line, mb in lines.items()
        ),
    ]


def timed_run(kind: RunKind) -> tuple[float, list[dict[str, float]]]:
    """Seconds of a run, and each line's MB at each tenth of it."""
    from actors.runs import send_run  # noqa: PLC0415  # the actors read the settings on import

    run_id = begin_documents_run(kind)
    memory: list[dict[str, float]] = []
    with running(["batch", "scheduler"], **UNLIMITED) as (_, pids):
        wait_for_workers()
        started = time.perf_counter()
        send_run(run_id, kind)
        while (run := read_run(run_id)).state in ("queued", "running"):
            if run.progress * TENTHS >= len(memory) + 1:
                memory.append({line: resident_mb(pid) for line, pid in pids.items()})
                resident = ", ".join(f"{line} {mb:.0f} MB" for line, mb in memory[-1].items())
                print(f"  {run.progress:4.0%}  {run.done:,} documents  {resident}", flush=True)
            time.sleep(0.02)
        elapsed = time.perf_counter() - started
        last = {line: resident_mb(pid) for line, pid in pids.items()}
        memory += [last] * (TENTHS - len(memory))
    counts = count_batches(run_id)
    assert (run.state, counts.failed) == ("done", 0), run
    return elapsed, memory


def wait_for_workers() -> None:
    """Until the worker processes have booted: that is not what is measured."""
    while sum(worker.alive for worker in list_workers()) < PROCESSES:
        time.sleep(0.1)


def planning_time() -> float:
    """Seconds that it takes to cut a run into batches, in this process and with no worker."""
    run_id = begin_documents_run(RunKind.documents_all)
    started = time.perf_counter()
    while plan_documents(run_id).more:
        pass
    elapsed = time.perf_counter() - started
    cancel_run(run_id)
    return elapsed


def through_a_provider(count: int) -> list[Figure]:
    """The same with a provider that takes 20 ms for every request, at two request sizes."""
    figures = []
    naive_per_s = 1 / PROVIDER_DELAY_S
    with provider() as url:
        for size in (50, 500):
            os.environ |= {
                "OPENAI_BASE_URL": url,
                "EMBEDDING_BATCH_SIZE": str(size),
                "DOCUMENT_EMBEDDING_MODEL": f"bench-{size}",
                "MONGO_COLLECTION": f"first_{count}",
            }
            reopen()
            fill_collection(count)
            seconds, _ = timed_run(RunKind.documents_all)
            rate = count / seconds
            name = f"documents per second, {size} texts a request"
            figures.append(
                Figure(name, rate, "per s", "one request per document", rate / naive_per_s)
            )
    for name in ("OPENAI_BASE_URL", "DOCUMENT_EMBEDDING_MODEL", "MONGO_COLLECTION"):
        del os.environ[name]
    reopen()
    return figures


def naive(count: int) -> list[Figure]:
    """What Kinfold is compared with."""
    rate = naive_rate(count)
    return [Figure("one at a time, JSON, one SET each, hashing", rate, "per s")]


def lookups(count: int) -> list[Figure]:
    """Milliseconds of reads through `workers`, decoded to NumPy, and over HTTP."""
    rng = np.random.default_rng(1)
    ids = [f"D{n:07}" for n in rng.integers(0, count, LOOKUPS * 10)]
    figures = []
    for size in (1, 100):
        asked = [ids[start : start + size] for start in range(0, LOOKUPS * size // 10, size)]
        read = latencies(read_vectors, asked)
        figures += percentiles(f"{size} through workers", read)
    with running(["web"]) as (port, _), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        one = latencies(lambda doc_id: client.get(f"/documents/{doc_id}/embedding"), ids[:500])
        figures += percentiles("1 over HTTP", one)
        hundreds = [ids[start : start + 100] for start in range(0, 10_000, 100)]
        many = latencies(
            lambda wanted: client.post("/documents/embeddings", json={"doc_ids": wanted}), hundreds
        )
        figures += percentiles("100 over HTTP", many)
    return figures


def latencies(work: Callable[[Any], object], inputs: list[Any]) -> list[float]:
    """Milliseconds of each."""
    for each in inputs[:20]:
        work(each)
    times = []
    for each in inputs:
        started = time.perf_counter()
        work(each)
        times.append(1000 * (time.perf_counter() - started))
    return times


def percentiles(name: str, times: list[float]) -> list[Figure]:
    """p50 and p99."""
    p50, p99 = np.percentile(times, [50, 99])
    return [Figure(f"{name}, p50", p50, "ms"), Figure(f"{name}, p99", p99, "ms")]


def codecs() -> list[Figure]:
    """Bytes all in, cosine error and recall@10 against float32, and speed, by codec."""
    figures = []
    for dimensions in (300, 384):
        embedder = HashingEmbedder(EmbeddingSpec("bench", dimensions))
        exact = embedder.embed_batch(list(texts(CODEC_ROWS)))
        for codec in Codec:
            figures += one_codec(codec, exact, f"{codec}, {dimensions}")
    return figures


def one_codec(codec: Codec, exact: NDArray[np.float32], name: str) -> list[Figure]:
    count = len(exact)
    times, hashes = np.full(count, time.time_ns() // 10**6), np.arange(count, dtype=np.uint32)
    started = time.perf_counter()
    values = [
        value
        for start in range(0, count, 1000)
        for value in encode(
            codec,
            "bench",
            exact[start : start + 1000],
            times[start : start + 1000],
            hashes[start : start + 1000],
        )
    ]
    encoded_s = time.perf_counter() - started
    started = time.perf_counter()
    kept = np.concatenate(
        [decode(values[start : start + 1000]).vectors for start in range(0, count, 1000)]
    )
    decoded_s = time.perf_counter() - started
    before = used_memory()
    ids = [f"D{row:07}" for row in range(count)]
    for start in range(0, count, 1000):
        write_values("bench", ids[start : start + 1000], values[start : start + 1000])
    grown = used_memory() - before
    for start in range(0, count, 1000):
        stores().redis.delete(*[f"{PREFIX}bench:{doc_id}" for doc_id in ids[start : start + 1000]])
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    return [
        Figure(f"{name}: all in", grown / count, "bytes a document"),
        Figure(f"{name}: value", float(np.mean([*map(len, values)])), "bytes"),
        Figure(f"{name}: mean cosine error", float(1 - (kept * exact).sum(axis=1).mean()), ""),
        Figure(f"{name}: recall@10", recall(exact, kept), ""),
        Figure(f"{name}: encode", count / encoded_s, "per s"),
        Figure(f"{name}: decode", count / decoded_s, "per s"),
    ]


def recall(exact: NDArray[np.float32], kept: NDArray[np.float32]) -> float:
    """Of the ten nearest by float32 the share that the kept vectors find; ties count."""
    found = []
    for row in np.random.default_rng(2).choice(len(exact), QUERIES, replace=False):
        sims = exact @ exact[row]
        tenth = np.partition(sims, -10)[-10]
        best = np.argpartition(-(kept @ exact[row]), 10)[:10]
        found.append((sims[best] >= tenth - 1e-6).mean())
    return float(np.mean(found))


def used_memory() -> int:
    """What Redis says that it uses, without what passes through it at the moment."""
    info = stores().redis.info("memory")
    passing = ("mem_clients_normal", "mem_aof_buffer")
    return int(info["used_memory"]) - sum(int(info.get(name, 0)) for name in passing)


def reopen() -> None:
    """Read the settings anew, as a process that starts with them does."""
    settings.cache_clear()
    process().forget()


@contextmanager
def provider() -> Iterator[str]:
    """An embeddings server with a fixed latency, in a process of its own."""
    command = [sys.executable, "-m", "bench.slow_provider", str(PROVIDER_DELAY_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


if __name__ == "__main__":
    main()
