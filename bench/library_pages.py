"""The library's pages: what each takes at 10,000 students and 10,000 books.

    python -m bench.library_pages [--students 10000] [--books 10000] [--loans 300000] [--rounds 15]

One web process on the embedded stack, one librarian who opens one page after the other, another
child, class or book each time. The limit of a page is 300 ms. Beside the time by the clock stands
the processor time of the web process, which a busy machine does not change.
"""

import argparse
import hashlib
import itertools
import json
import statistics
import time
from collections.abc import Callable
from urllib.parse import quote

import httpx
import numpy as np
import psutil

from bench.recommendations import fill
from bench.report import Figure, print_table, write_json
from bench.stack import prepared, running
from workers.books.build_model import build_model
from workers.books.recommendation_weeks import store_weeks
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.jobs.runs import RunKind, create_run

KEY = "the librarian of this bench"
KEYS = f"jo:librarian:{hashlib.sha256(KEY.encode()).hexdigest()}"
CLASS_SIZE = 30
GENRES = 20
# Of the students that `fill` stores.
GRADES = 9
LIMIT_MS = 300
# A route that does nothing: what the machine and the client cost alone.
NOTHING = "/health/live"
PICKS = 40
# A year's answers of a school that asks for a list per child and week.
ANSWERS = 20_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the library's pages.")
    parser.add_argument("--students", type=int, default=10_000)
    parser.add_argument("--books", type=int, default=10_000)
    parser.add_argument("--loans", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with prepared():
        fill(arguments.students, arguments.books, arguments.loans)
        furnish(arguments.students)
        build_model(create_run(RunKind.recommendation_model))
        started = time.perf_counter()
        store_weeks()
        counted = Figure(
            "weeks of answers counted, as each night", time.perf_counter() - started, "s"
        )
        figures = measure(arguments.students, arguments.books, arguments.rounds)
    title = f"library pages, {arguments.students:,} students, {arguments.books:,} books"
    print_table(title, [*figures, counted])
    print(f"\nwritten: {write_json('library_pages', {title: [*figures, counted]})}")


def furnish(students: int) -> None:
    """Give children names, classes, genres and vectors; let some be picked and answered."""
    rng = np.random.default_rng(2)
    spec = settings().student_embedding
    with transaction() as conn:
        conn.execute(
            "UPDATE students SET display_name = 'Child ' || substr(student_id, 2),"
            " homeroom_teacher = 'Class ' || substr(student_id, 2)::int / %s",
            (CLASS_SIZE,),
        )
        conn.execute(
            "UPDATE student_profiles SET profile = profile || jsonb_build_object("
            "'checkouts', 30, 'genre_shares', jsonb_build_object("
            "'genre ' || substr(student_id, 2)::int %% %s, 0.7, 'genre 0', 0.3))",
            (GENRES,),
        )
        conn.execute(
            "UPDATE student_profiles SET profile ="
            """ jsonb_set(profile, '{reading_level,method}', '"checkouts"')"""
        )
        vectors = rng.standard_normal((students, spec.dimensions)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        with conn.cursor().copy(
            "COPY student_embeddings (student_id, model, dimensions, content_hash, vec) FROM STDIN"
        ) as copy:
            for row in range(students):
                numbers = ",".join(f"{number:.4f}" for number in vectors[row].tolist())
                copy.write_row(
                    (f"S{row:07}", spec.model, spec.dimensions, b"\0" * 32, f"[{numbers}]")
                )
        conn.execute(
            "INSERT INTO freshness (kind, key, wanted, done)"
            " SELECT kind, student_id, 1, 1 FROM students,"
            " unnest(ARRAY['student_embedding', 'student_neighbors']) AS kind"
        )
        conn.execute(
            "INSERT INTO staff_picks (book_id, grades, picked_at)"
            " SELECT book_id, '{3,4,5}', now() - interval '30 days' FROM books"
            " ORDER BY book_id LIMIT %s",
            (PICKS,),
        )
        with conn.cursor().copy(
            "COPY recommendations (recommendation_id, student_id, asked_at, book_ids, degraded,"
            " answer) FROM STDIN"
        ) as copy:
            for number in range(ANSWERS):
                books = [f"B{book:06}" for book in rng.integers(3000, size=10).tolist()]
                at = np.datetime64("now") - np.timedelta64(int(rng.integers(30 * 86400)), "s")
                answer = json.dumps({"items": [{"text": "x" * 200}] * 10})
                whose = f"S{int(rng.integers(students)):07}"
                copy.write_row(
                    (f"{number:08x}-0000-4000-8000-000000000000", whose, str(at), books, [], answer)
                )
    with connection() as conn:
        conn.execute("VACUUM ANALYZE")


def measure(students: int, books: int, rounds: int) -> list[Figure]:
    """Open each page again and again: the median and the longest, and what it costs."""
    drawn = itertools.cycle(np.random.default_rng(3).integers(students, size=999).tolist())

    def teacher() -> str:
        return quote(f"Class {next(drawn) // CLASS_SIZE}")

    pages: dict[str, Callable[[], str]] = {
        "home": lambda: "/library",
        "search": lambda: f"/library?q=book+{next(drawn) % books}",
        "child": lambda: f"/library/students/S{next(drawn):07}",
        "class": lambda: f"/library/classes/{teacher()}",
        "class, books for all": lambda: f"/library/classes/{teacher()}?together=true",
        "class, groups": lambda: f"/library/classes/{teacher()}?groups=true",
        "slips": lambda: f"/library/classes/{teacher()}/slips",
        "class as a file": lambda: f"/library/classes/{teacher()}/csv",
        "book": lambda: f"/library/books/B{next(drawn) % books:06}",
        "picks": lambda: "/library/picks",
        "weights": lambda: "/library/weights",
        "weights, a preview": lambda: "/library/weights?readers=1&content=0",
        "figures": lambda: "/library/figures",
        "figures, books as a file": lambda: "/library/figures/catalogue/csv",
        "map": lambda: "/library/map",
        "map, a class": lambda: f"/library/map?homeroom={teacher()}",
        "map, a grade": lambda: f"/library/map?grade={next(drawn) % GRADES}",
    }
    figures = []
    with (
        running(["web"], API_KEYS=KEYS) as (port, pids),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        assert client.post("/login", data={"key": KEY}).status_code == 303
        web = psutil.Process(pids["web"])
        for name, path in {"nothing": lambda: NOTHING, **pages}.items():
            client.get(path()).raise_for_status()
            took, before = [], web.cpu_times().user
            for _ in range(rounds):
                started = time.perf_counter()
                client.get(path()).raise_for_status()
                took.append(1000 * (time.perf_counter() - started))
            spent = 1000 * (web.cpu_times().user - before) / rounds
            middle, limit = statistics.median(took), f"{LIMIT_MS} ms"
            figures += [
                Figure(name, middle, "ms", limit, middle / LIMIT_MS, min(took), max(took)),
                Figure(f"{name}, processor", spent, "ms"),
            ]
    return figures


if __name__ == "__main__":
    main()
