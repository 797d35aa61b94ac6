"""Recommendations: what an answer takes, beside a student's read, and what a model takes to solve.

`python -m bench.recommendations [--students 10000] [--books 10000] [--loans 1000000]` on the
embedded stack, one web process as in production. Loans are drawn around tastes; books have vectors
of the dimension that the settings name, and students their fifteen neighbours. How good the lists
are is `bench/recommendation_quality.py`'s to say.
"""

import argparse
import itertools
import json
import resource
import time
from collections.abc import Callable, Iterator

import numpy as np

from bench.http_load import Load, request, run_load
from bench.populations import Population
from bench.reads import KEY, PRODUCTION
from bench.report import Figure, print_table, write_json
from bench.stack import prepared, resident_mb, running
from workers.books.build_model import build_model
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.jobs.runs import RunKind, create_run

READ = "/students/{student_id}"
CONNECTIONS = (1, 16, 100)
TASTES = 50
GENRES = 20
# Of a student's loans the share within their taste.
WITHIN_TASTE = 0.7
WARM_S = 10.0
LEVEL = {"value": 4.0, "slope_per_30_days": 0.1, "confidence": 1.0, "method": "loans"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what recommending takes.")
    parser.add_argument("--students", type=int, default=10_000)
    parser.add_argument("--books", type=int, default=10_000)
    parser.add_argument("--loans", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=4)
    arguments = parser.parse_args()
    with prepared():
        fill(arguments.students, arguments.books, arguments.loans)
        figures = [*solve(), *measure(arguments.students, arguments.books, arguments.seconds)]
    title = (
        f"recommendations, {arguments.students:,} students, {arguments.books:,} books, "
        f"{arguments.loans:,} loans"
    )
    print_table(title, figures)
    print(f"\nwritten: {write_json('recommendations', {title: figures})}")


def fill(students: int, books: int, loans: int) -> None:
    """Store students, books with vectors, loans around tastes, and neighbours of one taste."""
    rng = np.random.default_rng(0)
    spec = settings().student_embedding
    taste_of_book = rng.integers(TASTES, size=books)
    taste_of_student = rng.integers(TASTES, size=students)
    vectors = Population.drawn(books, spec.dimensions).vectors
    with transaction() as conn:
        cursor = conn.cursor()
        with cursor.copy(
            "COPY books (book_id, title, author, genre, reading_level, copies_available) FROM STDIN"
        ) as copy:
            for row in range(books):
                genre = f"{{genre {taste_of_book[row] % GENRES}}}"
                level = round(float(rng.uniform(1, 9)), 1)
                copy.write_row(
                    (f"B{row:06}", f"Book {row}", f"Author {row % 999}", genre, level, 2)
                )
        with cursor.copy("COPY students (student_id, grade_level) FROM STDIN") as copy:
            for row in range(students):
                copy.write_row((f"S{row:07}", int(row % 9)))
        with cursor.copy(
            "COPY student_profiles (student_id, version, profile, text) FROM STDIN"
        ) as copy:
            for row in range(students):
                copy.write_row((f"S{row:07}", 1, json.dumps({"reading_level": LEVEL}), ""))
        with cursor.copy(
            "COPY book_embeddings (book_id, model, dimensions, content_hash, vec) FROM STDIN"
        ) as copy:
            for row in range(books):
                numbers = ",".join(f"{number:.4f}" for number in vectors[row].tolist())
                copy.write_row(
                    (f"B{row:06}", spec.model, spec.dimensions, b"\0" * 32, f"[{numbers}]")
                )
        _copy_loans(conn, rng, taste_of_book, taste_of_student, loans)
        with cursor.copy("COPY student_similarity (a, b, sim) FROM STDIN") as copy:
            for taste in range(TASTES):
                alike = np.flatnonzero(taste_of_student == taste)
                for row in alike.tolist():
                    chosen = rng.choice(alike, min(16, len(alike)), replace=False).tolist()
                    for other in [other for other in chosen if other != row][:15]:
                        sim = float(rng.uniform(0.5, 1))
                        copy.write_row((f"S{row:07}", f"S{other:07}", sim))
    with connection() as conn:
        conn.execute("VACUUM ANALYZE")


def _copy_loans(
    conn: object,
    rng: np.random.Generator,
    taste_of_book: np.ndarray[tuple[int], np.dtype[np.int64]],
    taste_of_student: np.ndarray[tuple[int], np.dtype[np.int64]],
    loans: int,
) -> None:
    """Store distinct loans: popular books more often, those of the student's taste most."""
    students, books = len(taste_of_student), len(taste_of_book)
    by_taste = [np.flatnonzero(taste_of_book == taste) for taste in range(TASTES)]
    each = max(loans // students, 1)
    with conn.cursor().copy(  # type: ignore[attr-defined]
        "COPY checkouts (student_id, book_id, checkout_date) FROM STDIN"
    ) as copy:
        for row in range(students):
            own = by_taste[taste_of_student[row]]
            within = own[(len(own) * rng.random(round(each * WITHIN_TASTE)) ** 2).astype(int)]
            others = (books * rng.random(each - len(within)) ** 2).astype(int)
            borrowed = np.unique(np.concatenate([within, others])).tolist()
            days = rng.integers(1, 700, size=len(borrowed)).tolist()
            for book, day in zip(borrowed, days, strict=True):
                date = np.datetime64("today") - day
                copy.write_row((f"S{row:07}", f"B{book:06}", str(date)))


def solve() -> list[Figure]:
    """Build a model in this process: CPU seconds by the clock of processes, and memory."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    assert build_model(create_run(RunKind.recommendation_model)) is not None
    passed = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    return [
        Figure("a model, λ and half-life chosen", passed, "s"),
        Figure("the same, CPU", after.ru_utime - before.ru_utime, "s"),
        Figure("most memory of the process that solves", after.ru_maxrss / 1024, "MB"),
    ]


def measure(students: int, books: int, seconds: float) -> list[Figure]:
    """Latencies of answers and of a student's read, always asked and at half of that."""
    drawn = itertools.cycle(np.random.default_rng(1).integers(students, size=10_000).tolist())

    def one() -> str:
        return f"S{next(drawn):07}"

    bodies: dict[str, Callable[[], bytes]] = {
        "one student": lambda: _ask({"student_id": one()}),
        "one student, filtered": lambda: _ask(
            {"student_id": one(), "filter": {"level": [3, 5], "genres": ["genre 3", "genre 7"]}}
        ),
        "readers of a book": lambda: _ask({"book_id": f"B{next(drawn) % books:06}"}),
        "a group of 5": lambda: _ask({"student_ids": [one() for _ in range(5)]}),
        "a group of 30": lambda: _ask({"student_ids": [one() for _ in range(30)]}),
    }
    figures: list[Figure] = []
    with running(["web"], **PRODUCTION) as (port, pids):
        before_mb = resident_mb(pids["web"])
        # The first answer loads the arrays.
        _load(port, bodies["one student"], 1, WARM_S)
        for connections in CONNECTIONS:
            read = _load(port, lambda: _get(one()), connections, seconds)
            figures += _figures(READ, connections, read, None)
            for name, body in bodies.items():
                if name == "a group of 30" and connections == max(CONNECTIONS):
                    continue  # a queue of some ten seconds: nothing but the queue would be seen
                load = _load(port, body, connections, max(seconds, connections / 10))
                figures += _figures(name, connections, load, read)
                if connections == 16:
                    rate = load.per_second / 2
                    half = _load(port, body, connections, seconds, rate)
                    calm = _load(
                        port, lambda: _get(one()), connections, seconds, read.per_second / 2
                    )
                    figures.append(
                        Figure(
                            f"{name}, 16 connections at half load, p99",
                            half.p99_ms,
                            "ms",
                            f"{READ} at half load",
                            half.p99_ms / calm.p99_ms,
                        )
                    )
        figures.append(
            Figure("memory that recommending adds", resident_mb(pids["web"]) - before_mb, "MB")
        )
    return figures


def _ask(body: dict[str, object]) -> bytes:
    return request("POST", "/recommendations", json.dumps(body).encode(), key=KEY)


def _get(student_id: str) -> bytes:
    return request("GET", f"/students/{student_id}", key=KEY)


def _load(
    port: int,
    example: Callable[[], bytes],
    connections: int,
    seconds: float,
    rate: float | None = None,
) -> Load:
    def requests() -> Iterator[bytes]:
        while True:
            yield example()

    load = run_load(port, requests(), connections=connections, seconds=seconds, rate=rate)
    assert set(load.statuses) == {200}, load.statuses
    return load


def _figures(name: str, connections: int, load: Load, read: Load | None) -> list[Figure]:
    title = f"{name}, {connections} connection{'s' if connections > 1 else ''}"
    ratio = load.p99_ms / read.p99_ms if read else None
    return [
        Figure(f"{title}, p50", load.p50_ms, "ms"),
        Figure(f"{title}, p99", load.p99_ms, "ms", READ if read else "", ratio),
        Figure(title, load.per_second, "per s"),
    ]


if __name__ == "__main__":
    main()
