"""A library of the originals' shape: 341 books, 25 students, 160 loans, from CSV to reasons."""

import csv
import io
import json
import random
from collections.abc import Iterable, Sequence
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from tests.library import rows
from tests.shelf import TODAY
from tests.work_off import WORKERS
from workers.books.build_model import build_model
from workers.core.vocabulary import Kind
from workers.jobs.runs import RunKind, create_run

pytestmark = pytest.mark.slow

BOOKS, STUDENTS, LOANS = 341, 25, 160
BANDS = ("beginner", "early_elementary", "late_elementary", "middle_school")
GENRES = ("adventure", "animals", "fantasy", "humor", "mystery", "science")
CATALOG = (
    *("book_id", "title", "author", "isbn", "genre", "difficulty_band", "reading_level"),
    *("publication_year", "page_count", "average_rating"),
)
PEOPLE = (
    *("student_id", "grade_level", "age", "homeroom_teacher", "prior_year_reading_score"),
    "lunch_period",
)
CHECKOUTS = (
    *("checkout_id", "student_id", "book_id", "checkout_date", "return_date", "student_rating"),
)


def csv_of(columns: Sequence[str], rows_of: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows_of)
    return text.getvalue().encode()


@pytest.fixture
def imported(client: TestClient) -> TestClient:
    """The three files over HTTP, twice, as somebody does who is not sure of the first time."""
    chance = random.Random(341)
    catalog = csv_of(
        CATALOG,
        (
            (
                *(f"B{n:03}", f"Title {n}", f"Author {chance.randrange(120)}", f"978{n:010}"),
                json.dumps(chance.sample(GENRES, chance.randrange(1, 3))),
                chance.choice(BANDS),
                "" if n % 9 == 0 else round(chance.uniform(1, 8), 1),
                *(chance.randrange(1950, 2025), chance.randrange(20, 500)),
                round(chance.uniform(2.5, 5), 2),
            )
            for n in range(BOOKS)
        ),
    )
    students = csv_of(
        PEOPLE,
        (
            (
                f"S{n:03}",
                chance.randrange(1, 9),
                chance.randrange(6, 15),
                f"Teacher {n % 4}",
                round(chance.uniform(1, 8), 1),
                n % 3 + 1,
            )
            for n in range(STUDENTS)
        ),
    )
    # The last student has borrowed nothing.
    pairs = chance.sample([(s, b) for s in range(STUDENTS - 1) for b in range(BOOKS)], LOANS)
    checkouts = csv_of(
        CHECKOUTS,
        (
            (
                f"C{n:03}",
                f"S{s:03}",
                f"B{b:03}",
                str(TODAY - timedelta(days=days)),
                str(TODAY - timedelta(days=days - 14)) if days > 20 else "",
                chance.choice(["", 1, 2, 3, 4, 5]),
            )
            for n, (s, b) in enumerate(pairs)
            for days in [chance.randrange(1, 200)]
        ),
    )
    for again in (False, True):
        for table, content, count in (
            ("catalog", catalog, BOOKS),
            ("students", students, STUDENTS),
            ("checkouts", checkouts, LOANS),
        ):
            answer = client.post(
                f"/import/{table}", content=content, headers={"content-type": "text/csv"}
            ).json()
            assert (answer["rows"], answer["failed"]) == (count, 0), answer
            assert answer["unchanged" if again else "inserted"] == count
    build_model(create_run(RunKind.recommendation_model))
    for kind in (Kind.book_embedding, Kind.student_embedding, Kind.student_neighbors):
        for (key,) in rows("SELECT key FROM freshness WHERE kind = %s AND wanted > done", kind):
            WORKERS[kind](key)
    return client


def test_every_student_gets_five_distinct_unread_books_with_reasons(imported: TestClient) -> None:
    for n in range(STUDENTS):
        answer = imported.get(f"/students/S{n:03}/recommendations?limit=5").json()
        listed = [item["book_id"] for item in answer["items"]]
        read = {
            book_id
            for (book_id,) in rows(
                "SELECT book_id FROM checkouts WHERE student_id = %s", f"S{n:03}"
            )
        }
        assert len(set(listed)) == 5
        assert not set(listed) & read
        for item in answer["items"]:
            assert all(reason["text"] and reason["evidence_ids"] for reason in item["reasons"])
            assert item["reasons"]
            assert item["score"] == pytest.approx(sum(item["parts"].values()), abs=1e-6)
        assert answer["based_on"] == ("loans" if read else "level")
        assert set(answer["degraded"]) <= {"no_loans", "no_neighbors"}
    group = {"student_ids": [f"S{n:03}" for n in range(STUDENTS)], "limit": 5}
    assert len(imported.post("/recommendations", json=group).json()["items"]) == 5
