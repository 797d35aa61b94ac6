"""The neighbour graph: updates, recall after churn, search, rebuild, memory.

`python -m bench.neighbors [--students 10000 100000] [--dimensions 1536]` on the embedded stack.
Beside Kinfold in the same run: the originals' design, and the exact NumPy limit. With
ANN_SEARCH_MAX_STUDENTS=0 the larger population is searched by the index.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench import originals_neighbors as originals
from bench.neighbor_worker import neighbor_worker, stale_key
from bench.populations import Population, blocks, store, store_all
from bench.report import Figure, print_table, write_json
from bench.stack import prepared
from workers.core.stores import connect, connection
from workers.neighbors.check import check_neighbors
from workers.neighbors.graph import NeighborGraph
from workers.neighbors.hnsw_index import index_vectors
from workers.neighbors.search import compare, nearest, search_around
from workers.neighbors.strategy import Search, choose_search
from workers.neighbors.update import load_graph, update_neighbors

CHURN = 0.1
MIN_UPDATES = 5000
SAMPLE = 500
SHOWN = 15
ALONE = 40
# The originals at a large population: their rate needs few updates, their churn would take hours.
ORIGINALS_UPDATES = {10_000: 1000}
ORIGINALS_UPDATES_OTHERWISE = 20


def main() -> None:
    """Measure each population on a database of its own."""
    parser = argparse.ArgumentParser(description="Measure the neighbour graph.")
    parser.add_argument("--students", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dimensions", type=int, default=1536)
    arguments = parser.parse_args()
    sections = {}
    for count in arguments.students:
        with prepared(EMBEDDING_DIMENSIONS=arguments.dimensions):
            title = f"{count:,} students x {arguments.dimensions}"
            sections[title] = measure(Population.drawn(count, arguments.dimensions))
            print_table(title, sections[title])
    print(f"\nwritten: {write_json('neighbors', sections)}")


def measure(population: Population) -> list[Figure]:
    """All figures of one population."""
    count = len(population.ids)
    store_all(population, stale=False)
    bare_s = seconds(lambda: bare_product(population.vectors))
    rebuild_s, rebuild_mb = rebuild_in_a_process()
    figures = [
        Figure("bare matrix product, everyone with everyone", bare_s, "s"),
        Figure("rebuild", rebuild_s, "s", "bare matrix product", rebuild_s / bare_s),
        Figure("rebuild, peak memory above the interpreter", rebuild_mb, "MB"),
    ]
    with connection() as conn:
        conn.execute("VACUUM ANALYZE")
    with connect() as conn:
        index_s = seconds(lambda: index_vectors(conn))
    if index_s > 1:
        figures.append(Figure("index, built concurrently", index_s, "s"))
    originals.create(population)
    originals.copy_graph()

    chosen = population.choose(ORIGINALS_UPDATES.get(count, ORIGINALS_UPDATES_OTHERWISE))
    population.move(chosen)
    originals_rate = len(chosen) / originals.update(population, chosen)
    originals_recall, originals_error = compare_lists(population, originals.lists())
    store(population, chosen, stale=True)
    drain()

    figures.append(Figure("originals: updates, one worker", originals_rate, "per s"))
    for workers in (1, 2):
        rate, memory_mb = churn(population, workers)
        name = f"updates with both directions, {workers} worker{'s' if workers > 1 else ''}"
        figures += [
            Figure(name, rate, "per s", "originals", rate / originals_rate),
            Figure(f"memory of a worker ({workers})", memory_mb, "MB"),
        ]
    quality = check_neighbors(SAMPLE)
    figures += [
        Figure("recall@15 after this churn", quality.recall or 0, ""),
        Figure("mean similarity error after this churn", quality.similarity_error or 0, ""),
    ]
    if count in ORIGINALS_UPDATES:
        figures += [
            Figure("originals: recall@15 after 10 % churn", originals_recall, ""),
            Figure("originals: mean similarity error", originals_error, ""),
        ]
    p50, p95, _ = update_alone(population)
    figures += [
        Figure("one update alone, p50", p50, "ms"),
        Figure("one update alone, p95", p95, "ms"),
    ]
    return figures + search_latency(population)


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bare_product(vectors: NDArray[np.float32]) -> None:
    """The limit: the blocks' products and nothing else, each pair of students both ways."""
    for rows in blocks(np.arange(len(vectors)), 4096):
        for others in blocks(np.arange(len(vectors)), 4096):
            vectors[rows] @ vectors[others].T


def rebuild_in_a_process() -> tuple[float, float]:
    """Seconds of a rebuild, and its peak memory in MB above one with the same imports."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.rebuild_process"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    rebuild_s, memory_mb = answer.stdout.strip().splitlines()[-1].split()
    return float(rebuild_s), float(memory_mb)


def churn(population: Population, workers: int) -> tuple[float, float]:
    """Move students, a tenth at a time; updates per second, and MB of a worker."""
    with ExitStack() as stack:
        running = [stack.enter_context(neighbor_worker()) for _ in range(workers)]
        tenth = int(len(population.ids) * CHURN)
        rounds = [population.choose(tenth) for _ in range(-(-MIN_UPDATES // tenth))]
        vectors = [population.drawn_anew(rows) for rows in rounds]
        started = time.perf_counter()
        for rows, drawn in zip(rounds, vectors, strict=True):
            population.vectors[rows] = drawn
            for block in blocks(rows, 500):
                store(population, block, stale=True)
        wait_until_done()
        elapsed = time.perf_counter() - started
        moved = tenth * len(rounds)
        for process in running:
            assert process.stdin is not None
            process.stdin.close()
        memory_mb = max(float(process.stdout.read()) for process in running if process.stdout)
    return moved / elapsed, memory_mb


def drain() -> None:
    """Update in this process until nothing is due."""
    while (key := stale_key()) is not None:
        update_neighbors(key)


def wait_until_done() -> None:
    """Let the workers finish what is due."""
    while stale_key() is not None:
        time.sleep(0.005)


def update_alone(population: Population) -> tuple[float, float, float]:
    """Milliseconds of one update by an idle worker: p50, p95, p99."""
    load_graph()
    times = []
    for row in population.choose(ALONE):
        rows = np.array([row])
        population.move(rows)
        store(population, rows, stale=True)
        times.append(1000 * seconds(partial(update_neighbors, population.ids[row])))
    p50, p95, p99 = np.percentile(times[2:], [50, 95, 99]).tolist()
    return p50, p95, p99


def search_latency(population: Population) -> list[Figure]:
    """Milliseconds of a search for one student, as a worker searches among so many."""
    with connection() as conn:
        search = choose_search(conn)
        graph = NeighborGraph(conn, search)
        times = []
        for row in population.choose(200):
            query = np.array([graph.index[population.ids[row]]], np.int32)
            if search is Search.exact:
                work = lambda: nearest(query, compare(graph, query), graph.depth)  # noqa: B023, E731
            else:
                work = lambda: search_around(graph, query)  # noqa: B023, E731
            times.append(1000 * seconds(work))
    p50, p99 = np.percentile(times, [50, 99])
    return [
        Figure(f"search ({search}), p50", p50, "ms"),
        Figure(f"search ({search}), p99", p99, "ms"),
    ]


def compare_lists(
    population: Population, lists: Mapping[str, Mapping[str, float]]
) -> tuple[float, float]:
    """Recall@15 and mean similarity error of lists against the population, on a sample."""
    rows = population.choose(min(SAMPLE, len(population.ids)))
    sims = population.vectors[rows] @ population.vectors.T
    sims[np.arange(len(rows)), rows] = -np.inf
    place = {student_id: row for row, student_id in enumerate(population.ids)}
    recalls, errors = [], []
    for row, near in zip(rows, sims, strict=True):
        last = np.partition(near, -SHOWN)[-SHOWN]
        found = lists.get(population.ids[row], {})
        recalls.append(sum(near[place[b]] >= last - 1e-5 for b in found) / SHOWN)
        errors += [abs(float(near[place[b]]) - sim) for b, sim in found.items()]
    return float(np.mean(recalls)), float(np.mean(errors))


if __name__ == "__main__":
    main()
