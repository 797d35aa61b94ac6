"""Every reason of an answer over HTTP, held against the tables."""

import random
import re
from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from tests.library import change, rows
from tests.shelf import TODAY, book, feedback, loan, record, student
from tests.work_off import WORKERS
from workers.books.build_model import build_model
from workers.books.model_store import read_weights
from workers.books.reasons import NUMBERS
from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.jobs.runs import RunKind, create_run

pytestmark = pytest.mark.slow

BOOKS, STUDENTS = 80, 18
GENRES = ("space", "dogs", "war", "humor")


@pytest.fixture
def library(stores: None) -> None:
    """A library drawn at random, with series, ratings, verdicts, picks, vectors and neighbours."""
    chance = random.Random(5)
    record(
        *(
            book(
                number,
                author=f"Author {chance.randrange(30)}",
                reading_level=round(chance.uniform(2, 6), 1),
                genre=chance.sample(GENRES, chance.randrange(1, 3)),
                keywords=[chance.choice(GENRES)],
                **(
                    {"series": f"Series {number // 4}", "series_number": number % 4 + 1}
                    if number < 32
                    else {}
                ),
            )
            for number in range(BOOKS)
        )
    )
    # The last eight have just come.
    change("UPDATE books SET created_at = now() - interval '1 year' WHERE book_id < 'B72'")
    record(*(student(f"S{n}", grade_level=n % 6) for n in range(STUDENTS)))
    record(
        *(
            loan(
                f"S{n}",
                number,
                days_ago=chance.randrange(1, 90),
                **({"student_rating": chance.randrange(1, 6)} if chance.random() < 0.4 else {}),
            )
            for n in range(STUDENTS - 2)
            for number in chance.sample(range(n % 2, BOOKS - 8, 2), chance.randrange(2, 14))
        )
    )
    record(
        *(feedback(f"S{n}", f"B{chance.randrange(BOOKS):02}", "liked") for n in range(STUDENTS)),
        {"event_type": "staff_pick_added", "book_id": "B75", "grades": [2, 3]},
        {"event_type": "staff_pick_added", "book_id": "B76"},
    )
    build_model(create_run(RunKind.recommendation_model))
    for kind in (Kind.book_embedding, Kind.student_embedding, Kind.student_neighbors):
        for (key,) in rows("SELECT key FROM freshness WHERE kind = %s AND wanted > done", kind):
            WORKERS[kind](key)


def test_every_reason_of_every_students_answers_is_true(library: None, client: TestClient) -> None:
    met: set[str] = set()
    speaking = pairs_of_the_model()
    for n in range(STUDENTS):
        name = f"S{n}"
        bodies: tuple[dict[str, object], ...] = (
            {},
            {"limit": 20},
            {"filter": {"level": [2, 4]}},
            {"scenario": "something_different", "query": "dogs"},
        )
        for body in bodies:
            answer = client.post("/recommendations", json={"student_id": name, **body}).json()
            assert answer["items"]
            for item in answer["items"]:
                assert item["reasons"]
                for reason in item["reasons"]:
                    met.add(reason["type"])
                    if reason["type"] == "because_read":
                        pairs = {(other, item["book_id"]) for other in reason["evidence_ids"]}
                        assert pairs <= speaking, (name, item)
                    assert HOLDS[reason["type"]](name, item["book_id"], reason), (name, item)
    assert met >= {
        *("because_read", "like_read", "neighbors_read", "trending", "matches_level"),
        *("staff_pick", "next_volume", "new_arrival", "meets_query"),
    }


def pairs_of_the_model() -> set[tuple[str, str]]:
    """Which book speaks for which, by the weights that are stored."""
    ((model_id,),) = rows("SELECT model_id FROM recommendation_pointer")
    with connection() as conn:
        stored = read_weights(conn, model_id)
    assert stored is not None
    book_ids, weights = stored
    return {
        (book_id, book_ids[other])
        for book_id, others, values in zip(book_ids, weights.books, weights.values, strict=True)
        for other, value in zip(others, values, strict=True)
        if value > 0
    }


Reason = Mapping[str, object]


def ids_of(reason: Reason) -> list[str]:
    ids = reason["evidence_ids"]
    assert isinstance(ids, list)
    return ids


def because_read(name: str, book_id: str, reason: Reason) -> bool:
    """All of them were read; that the model lets them speak is looked at above."""
    read = {row[0] for row in rows("SELECT book_id FROM checkouts WHERE student_id = %s", name)}
    return bool(ids_of(reason)) and set(ids_of(reason)) <= read


def like_read(name: str, book_id: str, reason: Reason) -> bool:
    """It was read, and the genres named are those of both."""
    (other,) = ids_of(reason)
    read = rows("SELECT FROM checkouts WHERE student_id = %s AND book_id = %s", name, other)
    ((one,),), ((two,),) = (
        rows("SELECT genre FROM books WHERE book_id = %s", each) for each in (book_id, other)
    )
    named = re.search(r": both are (.*)\.", str(reason["text"]))
    said = set(re.split(", | and ", named[1])) if named else set()
    return bool(read) and said == set(one) & set(two)


def neighbors_read(name: str, book_id: str, reason: Reason) -> bool:
    """So many of those most like them borrowed it, and did not rate it down."""
    ((count,),) = rows(
        "SELECT count(DISTINCT a.b) FROM (SELECT b FROM student_similarity WHERE a = %s"
        " ORDER BY sim DESC, b LIMIT 15) a JOIN checkouts c ON c.student_id = a.b"
        " AND c.book_id = %s AND coalesce(c.student_rating, 5) > 2",
        name,
        book_id,
    )
    return NUMBERS[count] == str(reason["text"]).split()[0]


def trending(name: str, book_id: str, reason: Reason) -> bool:
    return bool(
        rows(
            "SELECT FROM checkouts WHERE book_id = %s AND checkout_date > %s",
            book_id,
            TODAY - timedelta(days=30),
        )
    )


def matches_level(name: str, book_id: str, reason: Reason) -> bool:
    """The level said is the profile's, and the book's is near it."""
    ((level, own),) = rows(
        "SELECT (profile -> 'reading_level' ->> 'value')::float8, reading_level::float8"
        " FROM student_profiles, books WHERE student_id = %s AND book_id = %s",
        name,
        book_id,
    )
    return f"{level:.1f}" in str(reason["text"]) and abs(level - own) <= 1.6


def staff_pick(name: str, book_id: str, reason: Reason) -> bool:
    return bool(
        rows(
            "SELECT FROM staff_picks p, students s WHERE p.book_id = %s AND s.student_id = %s"
            " AND (p.grades IS NULL OR s.grade_level = ANY(p.grades))",
            book_id,
            name,
        )
    )


def next_volume(name: str, book_id: str, reason: Reason) -> bool:
    """They borrowed the volume before it, and not this one."""
    (before,) = ids_of(reason)
    return bool(
        rows(
            "SELECT FROM books a JOIN books b USING (series) JOIN checkouts c"
            " ON c.book_id = a.book_id AND c.student_id = %s"
            " WHERE a.book_id = %s AND b.book_id = %s AND b.series_number = a.series_number + 1",
            name,
            before,
            book_id,
        )
    )


def popular(name: str, book_id: str, reason: Reason) -> bool:
    ((count,),) = rows(
        "SELECT count(DISTINCT student_id) FROM checkouts WHERE book_id = %s", book_id
    )
    return str(reason["text"]).startswith(NUMBERS[count] if count < len(NUMBERS) else str(count))


def unborrowed(name: str, book_id: str, reason: Reason) -> bool:
    return not rows("SELECT FROM checkouts WHERE book_id = %s", book_id)


def new_arrival(name: str, book_id: str, reason: Reason) -> bool:
    return bool(
        rows(
            "SELECT FROM books WHERE book_id = %s AND created_at > now() - interval '61 days'",
            book_id,
        )
    )


def meets_query(name: str, book_id: str, reason: Reason) -> bool:
    """Where it is said that words were found, the book holds the word."""
    held = rows("SELECT FROM books WHERE book_id = %s AND words @@ 'dog'::tsquery", book_id)
    return bool(held) == (reason["text"] == "Has words that you asked for.")


def fits_profile(name: str, book_id: str, reason: Reason) -> bool:
    return bool(rows("SELECT FROM student_embeddings WHERE student_id = %s", name))


HOLDS: Mapping[str, Callable[[str, str, Reason], bool]] = {
    each.__name__: each
    for each in (
        *(because_read, like_read, neighbors_read, trending, matches_level, staff_pick),
        *(next_volume, popular, unborrowed, new_arrival, meets_query, fits_profile),
    )
}
