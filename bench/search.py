"""Search in catalogues of two sizes: how fast it is over HTTP, and what the index misses.

`python -m bench.search [--books 10000 100000] [--seconds 20]` on the embedded stack, a database for
each size, one web process as in production, one connection that always asks: words of titles with
one left out, names, what books are about, and beginnings of words as a search box sends them.
Beside it stand an exact product in NumPy and the bare query of the index, both with the vector at
hand. Recall@10 is that of the vectors' part of a search, against brute force over the same vectors.
"""

import argparse
import random
import time
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from bench.book_catalog import Drawn, draw_books, store_books
from bench.http_load import Load, request, run_load
from bench.reads import KEY, PRODUCTION
from bench.report import Figure, print_table, write_json
from bench.stack import prepared, running
from workers.books.nearest_books import BookFilter, find_nearest
from workers.books.query_vector import embed_query
from workers.books.search import POOL
from workers.books.search_plan import EF_SEARCH
from workers.books.vector_index import index_books
from workers.core.settings import settings
from workers.core.stores import connect, connection, transaction
from workers.embedding.texts import Vector

# Of all books a level filter keeps so many.
KEPT = (0.5, 0.2, 0.05, 0.005)
NEAREST = 10
# Vectors are halfvec on both sides; sums in another order differ in the last place.
SAME = 1e-5
SEARCHES = 200
LIMITS_MS = {10_000: 15.0, 100_000: 25.0}
KINDS = ("titles", "names", "meaning", "typing")

BARE = """
SELECT book_id FROM book_embeddings WHERE model = {model} AND dimensions = {dimensions}
ORDER BY vec::halfvec({dimensions}) <=> %(vec)b::halfvec({dimensions}) LIMIT %(most)s
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the search in catalogues.")
    parser.add_argument("--books", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    sections = {}
    for count in arguments.books:
        with prepared():
            sections[f"{count:,} books x {settings().embedding_dimensions}"] = measure(
                count, arguments.seconds
            )
    for title, figures in sections.items():
        print_table(title, figures)
    print(f"\nwritten: {write_json('search', sections)}")


def measure(count: int, seconds: float) -> list[Figure]:
    """Latencies, baselines and recall among so many books."""
    books = draw_books(count)
    vectors = store_books(books)
    build_s = _build_index()
    texts = {kind: draw_queries(books, kind) for kind in KINDS}
    asked = [_vector(text) for text in texts["meaning"][:SEARCHES]]
    levels = np.array([np.nan if book.level is None else book.level for book in books])
    figures = [Figure("HNSW index, built in one process", build_s, "s")]
    figures += searches(count, texts, levels, seconds)
    figures += baselines(vectors, asked)
    for share in (1.0, *KEPT):
        figures += vector_part(vectors, asked, levels, share)
    return figures


def searches(
    count: int, texts: dict[str, list[str]], levels: NDArray[np.float64], seconds: float
) -> list[Figure]:
    """Latencies of a whole search over HTTP, by what is asked, and with a filter."""
    mixed = [text for some in zip(*texts.values(), strict=True) for text in some]
    low, high = bounds(levels, 0.05)
    filtered = {"level_min": low, "level_max": high}
    figures = []
    with running(["web"], **PRODUCTION) as (port, _):
        _load(port, mixed, {}, seconds / 2)
        for kind, some in texts.items():
            load = _load(port, some, {}, seconds)
            figures += _latencies(f"search, {kind}", load)
        limit_ms = LIMITS_MS.get(count)
        for name, more in (("search, all of these", {}), ("the same, 5 % of books fit", filtered)):
            figures += _latencies(name, _load(port, mixed, more, 2 * seconds), limit_ms)
    return figures


def baselines(vectors: NDArray[np.float16], asked: Sequence[Vector]) -> list[Figure]:
    """The nearest by an exact product, and by the bare query of the index."""
    whole = vectors.astype(np.float32)
    spec = settings().student_embedding
    bare = sql.SQL(BARE).format(
        model=sql.Literal(spec.model), dimensions=sql.Literal(spec.dimensions)
    )
    with connection() as conn, conn.transaction():
        conn.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(EF_SEARCH)])
        return [
            *_timed(
                f"bare exact product in NumPy, nearest {POOL}",
                asked,
                lambda vector: np.argpartition(-(whole @ vector), POOL)[:POOL],
            ),
            *_timed(
                f"bare query of the index, nearest {POOL}",
                asked,
                lambda vector: conn.execute(bare, {"vec": vector, "most": POOL}).fetchall(),
            ),
        ]


def vector_part(
    vectors: NDArray[np.float16], asked: Sequence[Vector], levels: NDArray[np.float64], share: float
) -> list[Figure]:
    """Latency and recall of the vectors' part where a level filter keeps a share of the books."""
    fitting, fits = BookFilter(), np.ones(len(levels), bool)
    if share < 1:
        low, high = bounds(levels, share)
        fitting, fits = BookFilter(low, high), (levels >= low) & (levels <= high)
    found: list[list[str]] = []

    def find(vector: Vector) -> None:
        with transaction() as conn:
            found.append([each.book_id for each in find_nearest(conn, vector, fitting, POOL)])

    name = f"vectors' part, {fits.mean() * 100:.1f} % of books fit"
    figures = _timed(name, asked, find)
    recalls = [
        recall(vectors, vector, fits, ids[:NEAREST])
        for vector, ids in zip(asked, found, strict=True)
    ]
    return [*figures, Figure(f"{name}, recall@{NEAREST}", float(np.mean(recalls)), "")]


def recall(
    vectors: NDArray[np.float16], vector: Vector, fits: NDArray[np.bool_], found: Sequence[str]
) -> float:
    """Share of places that are held by a book as near as one of the nearest that fit."""
    rows = np.flatnonzero(fits)
    exact = np.full(len(vectors), -np.inf)
    for some in np.array_split(rows, max(len(rows) // 10_000, 1)):
        block = vectors[some].astype(np.float32)
        exact[some] = block @ vector / np.linalg.norm(block, axis=1)
    best = min(NEAREST, len(rows))
    least = np.partition(exact, -best)[-best]
    held = [bool(exact[int(each[1:])] >= least - SAME) for each in found]
    return sum(held) / best


def bounds(levels: NDArray[np.float64], share: float) -> tuple[float, float]:
    """Levels around the middle between which about this share of the books lie."""
    known = np.sort(levels[~np.isnan(levels)])
    width = max(round(share * len(levels)), 1)
    start = (len(known) - width) // 2
    return float(known[start]), float(known[start + width - 1])


def draw_queries(books: Sequence[Drawn], kind: str, count: int = 2000) -> list[str]:
    """What somebody asks for, drawn from the books that there are."""
    rng = random.Random(kind)  # noqa: S311  # hides nothing
    queries = []
    for book in rng.choices(books, k=count):
        if kind == "titles":
            words = book.title.split()
            words.pop(rng.randrange(len(words)))
            queries.append(" ".join(words))
        elif kind == "names":
            queries.append(book.author if rng.random() < 0.5 else book.author.split()[-1])
        elif kind == "meaning":
            first, second = rng.sample(book.keywords, 2)
            queries.append(f"a story about {first} and {second}")
        else:
            word = rng.choice(book.title.split())
            queries.append(word[: rng.randint(1, 4)])
    return queries


def _build_index() -> float:
    with connect() as conn:
        conn.execute("VACUUM ANALYZE")
        started = time.perf_counter()
        index_books(conn)
        return time.perf_counter() - started


def _vector(text: str) -> Vector:
    vector = embed_query(text).vector
    assert vector is not None
    return vector


def _load(port: int, texts: Sequence[str], more: dict[str, float], seconds: float) -> Load:
    def requests() -> Iterator[bytes]:
        while True:
            for text in texts:
                query = urlencode({"q": text, **more})
                yield request("GET", f"/books/search?{query}", key=KEY)

    load = run_load(port, requests(), connections=1, seconds=seconds)
    assert set(load.statuses) == {200}, load.statuses
    return load


def _latencies(name: str, load: Load, limit_ms: float | None = None) -> list[Figure]:
    ratio = None if limit_ms is None else load.p99_ms / limit_ms
    return [
        Figure(f"{name}, p50", load.p50_ms, "ms"),
        Figure(f"{name}, p99", load.p99_ms, "ms", f"the limit of {limit_ms} ms", ratio),
    ]


def _timed(name: str, asked: Sequence[Vector], find: Callable[[Vector], object]) -> list[Figure]:
    times = []
    for vector in asked:
        started = time.perf_counter()
        find(vector)
        times.append((time.perf_counter() - started) * 1000)
    p50, p99 = np.percentile(times, [50, 99])
    return [Figure(f"{name}, p50", float(p50), "ms"), Figure(f"{name}, p99", float(p99), "ms")]


if __name__ == "__main__":
    main()
