"""A small library for tests of recommending: events of books, readers and loans, by number."""

import json
from datetime import UTC, datetime, timedelta

from workers.books.build_model import build_model
from workers.ingest.events import EVENT
from workers.ingest.record import record_events
from workers.jobs.runs import RunKind, create_run

TODAY = datetime.now(UTC).date()


def record(*events: dict[str, object]) -> None:
    record_events([EVENT.validate_json(json.dumps(event)) for event in events])


def book(number: int, **fields: object) -> dict[str, object]:
    return {
        "event_type": "book_added",
        "book_id": f"B{number:02}",
        "title": f"Book {number}",
        "author": f"Author {number % 7}",
        "reading_level": 4.0,
        "genre": ["space" if number % 2 else "dogs"],
        **fields,
    }


def student(name: str, **fields: object) -> dict[str, object]:
    return {"event_type": "student_added", "student_id": name, "grade_level": 4, **fields}


def loan(name: str, number: int, days_ago: int = 10, **fields: object) -> dict[str, object]:
    return {
        "event_type": "checkout_added",
        "student_id": name,
        "book_id": f"B{number:02}",
        "checkout_date": str(TODAY - timedelta(days=days_ago)),
        **fields,
    }


def feedback(name: str, book_id: str, verdict: str) -> dict[str, object]:
    return {
        "event_type": "book_feedback",
        "student_id": name,
        "book_id": book_id,
        "verdict": verdict,
    }


def lend() -> None:
    """Forty books; readers of odd numbers and of even ones; a model of their loans."""
    record(*(book(number) for number in range(40)))
    record(*(student(f"S{name}") for name in range(20)))
    record(
        *(
            loan(f"S{name}", number % 40, days_ago=60 - number)
            for name in range(20)
            for number in range(name % 2, 24, 2)
            if (name * 7 + number) % 5
        )
    )
    build_model(create_run(RunKind.recommendation_model))
