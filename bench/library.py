"""A library as facts: books, students, and loans that follow tastes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import numpy as np

from workers.core.stores import connect, connection
from workers.ingest.events import BookChanged, CheckoutAdded, Event, StudentChanged
from workers.ingest.record import record_events
from workers.jobs.runs import RunKind, create_run
from workers.neighbors.hnsw_index import index_vectors
from workers.neighbors.rebuild import rebuild_neighbors
from workers.students.recompute import recompute_student

BOOKS = 5000
GENRES = 40
LOANS = 8
# Two in three loans are of the student's own genre.
FAITHFUL = 2 / 3
# How uneven activity is: the exponent of a Zipf distribution over students.
ZIPF = 1.1


def fill(students: int, seed: int = 0) -> None:
    """Record everybody and everything, embed everybody, build the graph and its index."""
    events = _events(students, np.random.default_rng(seed))
    while block := list(islice(events, 5000)):
        record_events(block, log_unchanged=False)
    while key := _stale("student_embedding"):
        recompute_student(key)
    rebuild_neighbors(create_run(RunKind.rebuild_neighbors))
    with connection() as conn:
        # The rebuild has just done what every first embedding had raised.
        conn.execute("UPDATE freshness SET done = wanted, stale_since = NULL, done_at = now()")
        conn.execute("VACUUM ANALYZE")
    with connect() as conn:
        index_vectors(conn)


def loans(students: int, seed: int) -> Iterator[CheckoutAdded]:
    """New loans without end, of students of whom a few are very active."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(students)
    weights = 1.0 / np.arange(1, students + 1) ** ZIPF
    shares = weights / weights.sum()
    today = datetime.now(UTC).date()
    while True:
        chosen = order[rng.choice(students, size=1000, p=shares)]
        for student, book, days in zip(
            chosen, rng.integers(BOOKS, size=1000), rng.integers(60, size=1000), strict=True
        ):
            yield CheckoutAdded(
                event_type="checkout_added",
                student_id=f"S{student}",
                book_id=f"B{book}",
                checkout_date=today - timedelta(days=int(days)),
            )


def _events(students: int, rng: np.random.Generator) -> Iterator[Event]:
    for book in range(BOOKS):
        genre = book % GENRES
        yield BookChanged(
            event_type="book_added",
            book_id=f"B{book}",
            title=f"Title {rng.integers(900)} of {rng.integers(900)}",
            author=f"Author {rng.integers(400)}",
            genre=[f"genre{genre}", f"genre{rng.integers(GENRES)}"],
            keywords=[f"topic{genre}x{rng.integers(30)}" for _ in range(4)],
            reading_level=1.0 + float(rng.integers(80)) / 10,
        )
    today = datetime.now(UTC).date()
    for student in range(students):
        yield StudentChanged(
            event_type="student_added",
            student_id=f"S{student}",
            grade_level=int(rng.integers(1, 9)),
        )
        own = student % GENRES
        for _ in range(LOANS):
            book = int(rng.integers(BOOKS // GENRES)) * GENRES + own
            if rng.random() > FAITHFUL:
                book = int(rng.integers(BOOKS))
            yield CheckoutAdded(
                event_type="checkout_added",
                student_id=f"S{student}",
                book_id=f"B{book}",
                checkout_date=today - timedelta(days=int(rng.integers(1, 120))),
            )


def _stale(kind: str) -> str | None:
    with connection() as conn:
        row = conn.execute(
            "SELECT key FROM freshness WHERE kind = %s AND wanted > done LIMIT 1", [kind]
        ).fetchone()
    return row[0] if row else None
