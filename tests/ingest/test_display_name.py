"""A child's name: stored for the library's pages, and found nowhere else."""

import logging

import pytest

from tests.embeddings_server import EmbeddingsServer
from tests.library import (
    book,
    borrowed,
    fact,
    ledger,
    record,
    rows,
    stale,
    student,
    student_deleted,
)
from tests.work_off import work_off
from workers.books.build_model import build_model
from workers.core.vocabulary import Kind
from workers.ingest.csv_import import import_csv
from workers.ingest.csv_tables import Table
from workers.jobs.runs import RunKind, create_run

NAME = "Philippa Quist"
HEADER = "student_id,grade_level,age,homeroom_teacher,prior_year_reading_score,lunch_period"
TABLES = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)


def named() -> list[tuple[object, ...]]:
    return rows("SELECT student_id, display_name FROM students ORDER BY 1")


def tables_with(text: str) -> set[str]:
    """The tables that hold a text anywhere."""
    return {
        table
        for (table,) in rows(TABLES)
        if rows(f'SELECT FROM "{table}" t WHERE to_jsonb(t)::text LIKE %s LIMIT 1', f"%{text}%")
    }


def test_a_name_comes_with_an_event_and_goes_with_another(stores: None) -> None:
    record(student("S1", display_name=NAME))
    assert named() == [("S1", NAME)]
    record(fact("student_updated", student_id="S1", grade_level=4))
    assert named() == [("S1", NAME)]
    record(fact("student_updated", student_id="S1", display_name=None))
    assert named() == [("S1", None)]


def test_a_file_may_have_a_column_of_names_and_need_not(stores: None) -> None:
    with_names = f"{HEADER},display_name\nS1,4,9,Ms. Abara,4.0,1,{NAME}\nS2,4,9,,,,\n"
    assert import_csv(Table.students, with_names.encode()).inserted == 2
    assert import_csv(Table.students, f"{HEADER}\nS1,5,9,,,\n".encode()).updated == 1
    assert named() == [("S1", NAME), ("S2", None)]


def test_a_bad_name_is_reported_and_not_repeated(stores: None) -> None:
    text = f"{HEADER},display_name\nS1,4,9,,,,{NAME * 50}\n"
    (error,) = import_csv(Table.students, text.encode()).errors
    assert error.column == "display_name"
    assert "Philippa" not in error.message


def test_another_name_makes_nothing_stale(stores: None) -> None:
    work_off(record(student("S1"), book("B1", "One"), borrowed("S1")).notifications)
    record(fact("student_updated", student_id="S1", display_name=NAME))
    assert stale() == set()
    record(fact("student_updated", student_id="S1", display_name=NAME, grade_level=5))
    assert stale() == {"S1"}


def test_a_name_is_in_no_log_line_no_text_for_the_provider_and_no_other_table(
    embeddings_server: EmbeddingsServer, stores: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    work_off(
        record(
            book("B1", "One", genre=["poetry"]),
            student("S1", grade_level=4, display_name=NAME),
            student("S2", grade_level=4),
            borrowed("S1"),
            borrowed("S2"),
        ).notifications
    )
    build_model(create_run(RunKind.recommendation_model))
    assert embeddings_server.inputs
    assert all("Philippa" not in text for text in embeddings_server.inputs)
    assert "Philippa" not in "".join(repr(vars(line)) for line in caplog.records)
    assert rows("SELECT FROM student_profiles WHERE student_id = 'S1'")
    assert tables_with("Philippa") == {"students"}


def test_a_name_goes_with_the_child(stores: None) -> None:
    record(student("S1", display_name=NAME), book("B1", "One"), borrowed("S1"))
    assert tables_with("Philippa") == {"students"}
    record(student_deleted("S1"))
    assert tables_with("Philippa") == set()
    assert ledger(Kind.student_embedding, "key") == {}
