"""Deletions: what goes along, and that nothing of a deleted student is left."""

import pytest
from psycopg import sql

from tests.ingest.test_record_events import EVERY_FACT_OF_A_STUDENT
from tests.library import (
    all_fresh,
    book,
    borrowed,
    change,
    fact,
    loans,
    record,
    rows,
    stale,
    student,
)
from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.neighbors.changes import prune_changes


@pytest.fixture(autouse=True)
def _library(stores: None) -> None:
    """Every test begins with an empty one."""


def test_a_deleted_book_takes_its_loans_along_and_makes_its_readers_stale() -> None:
    record(book("B1", "One"), borrowed("S1", "B1"), borrowed("S2", "B1"), borrowed("S2", "B2"))
    all_fresh()
    assert record(fact("book_deleted", book_id="B1")).outcomes == ["deleted"]
    assert rows("SELECT book_id FROM books") == [("B2",)]
    assert [loan[:2] for loan in loans()] == [("S2", "B2")]
    assert stale() == {"S1", "S2"}
    assert record(fact("book_deleted", book_id="B1")).outcomes == ["unchanged"]


def derive(*student_ids: str) -> None:
    """A profile, a vector and edges to all the others for each student; all is fresh."""
    with connection() as conn:
        for student_id in student_ids:
            conn.execute("INSERT INTO student_profiles VALUES (%s, 1, '{}', 'text')", (student_id,))
            conn.execute(
                "INSERT INTO student_embeddings VALUES"
                " (%s, 'm', 3, sha256('x'), '[1, 0, 0]', NULL, now())",
                (student_id,),
            )
            conn.execute(
                "INSERT INTO freshness (kind, key, done) VALUES ('student_neighbors', %s, 1)",
                (student_id,),
            )
        conn.execute(
            "INSERT INTO student_similarity SELECT x.student_id, y.student_id, 1"
            " FROM student_embeddings x JOIN student_embeddings y ON x.student_id <> y.student_id"
        )
        conn.execute(
            "INSERT INTO attempts (kind, key, wanted, worker, started_at)"
            " SELECT kind, key, wanted, 'w', now() FROM freshness"
        )
    all_fresh()


def tables_that_name(text: str) -> set[str]:
    """Every table with the text in any column of any row."""
    found = set()
    with connection() as conn:
        tables = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables.fetchall():
            count = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE %s").format(
                sql.Identifier(table)
            )
            if conn.execute(count, (f"%{text}%",)).fetchone() != (0,):
                found.add(table)
    return found


def test_a_deleted_student_is_in_no_table_any_more() -> None:
    record(*(borrowed(student_id, "B1") for student_id in ("S1-gone", "S2", "S3")))
    derive("S1-gone", "S2", "S3")
    assert tables_that_name("S1-gone") == {
        "students",
        "checkouts",
        "student_profiles",
        "student_embeddings",
        "student_similarity",
        "freshness",
        "effects",
        "attempts",
    }
    assert record(fact("student_deleted", student_id="S1-gone")).outcomes == ["deleted"]
    # The workers' copies of the graph learn from it who is gone; it is kept for an hour.
    assert tables_that_name("S1-gone") == {"graph_changes"}
    change("UPDATE graph_changes SET written_at = now() - interval '61 minutes'")
    with connection() as conn:
        prune_changes(conn)
    assert tables_that_name("S1-gone") == set()
    assert stale(Kind.student_embedding) == set()
    assert stale(Kind.student_neighbors) == {"S2", "S3"}, "whose lists held the deleted one"
    assert record(fact("student_deleted", student_id="S1-gone")).outcomes == ["unchanged"]


def test_a_student_deleted_and_added_again_in_one_list_begins_anew() -> None:
    record(fact("student_added", student_id="S1", **EVERY_FACT_OF_A_STUDENT), borrowed())
    derive("S1")
    recorded = record(
        student("S1", age=8), fact("student_deleted", student_id="S1"), student("S1", grade_level=6)
    )
    assert recorded.outcomes == ["updated", "deleted", "inserted"]
    assert rows("SELECT student_id, age, grade_level FROM students") == [("S1", None, 6)]
    assert loans() == []
    assert tables_that_name("S1") == {"students", "freshness", "effects", "graph_changes"}
    assert stale() == {"S1"}
