"""A small school for tests of the library's pages: two classes of ten, forty books, a model."""

from dataclasses import asdict, replace
from html import unescape
from urllib.parse import quote
from uuid import UUID

from psycopg.types.json import Jsonb
from starlette.testclient import TestClient

from tests import shelf
from tests.api.test_access import HOMEROOM
from tests.console.session import token
from tests.library import change
from tests.work_off import work_off
from workers.books.term_weights import default_weights
from workers.core.vocabulary import Kind
from workers.ingest import imports
from workers.ingest.csv_tables import Table
from workers.ledger.freshness import Notification

OTHER = "Mr. Varga"
CLASS = f"/library/classes/{quote(HOMEROOM)}"
IMPORT_ID = UUID(int=9)
OTHER_CLASS = f"/library/classes/{quote(OTHER)}"


def open_school() -> None:
    """S0, S2, … are children of HOMEROOM and read even books; S1, S3, … of OTHER read odd ones."""
    shelf.lend()
    for number in range(20):
        shelf.record(
            {
                "event_type": "student_updated",
                "student_id": f"S{number}",
                "homeroom_teacher": OTHER if number % 2 else HOMEROOM,
                "display_name": name_of(number),
            }
        )
    work_off([Notification(Kind.student_embedding, f"S{number}") for number in range(20)])
    look_at_file()


def look_at_file() -> None:
    """A file of one loan, under IMPORT_ID, that is not imported yet."""
    import_id, _ = imports.look_at_file(
        Table.checkouts,
        "loans.csv",
        b"checkout_id,student_id,book_id,checkout_date,return_date,student_rating\n"
        b"L1,S0,B39,2026-01-05,,\n",
    )
    change("UPDATE imports SET import_id = %s WHERE import_id = %s", IMPORT_ID, import_id)


def let_picks_lead() -> None:
    """Weigh a staff pick so that it stands in every list that it may stand in."""
    weights = asdict(replace(default_weights(), staff_pick=5.0))
    change(
        "INSERT INTO term_weights (weights, changed_by) VALUES (%s, 'test')",
        Jsonb(weights),
    )


def name_of(number: int) -> str:
    """What the library calls a child."""
    return f"Child {chr(65 + number)}."


def act(client: TestClient, path: str, **fields: str) -> str:
    """Post a form of a page, and read what the next page says of it."""
    given = {"token": token(client), "back": "/library", **fields}
    answer = client.post(f"/library/acts{path}", data=given)
    assert answer.status_code == 303, answer.text
    text = client.get("/library").text
    return unescape(text.partition('role="status">')[2].partition("</p>")[0])
