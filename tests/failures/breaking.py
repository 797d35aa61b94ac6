"""A fault inside the database: storing some student's vector fails, which is no outage."""

from tests.triggers import off_insert, on_insert

REASON = "broken on purpose"


def break_vectors_of(student_id: str) -> None:
    """From now on this student's vector cannot be stored."""
    on_insert(
        "student_embeddings", f"RAISE EXCEPTION '{REASON}'", only=f"NEW.student_id = '{student_id}'"
    )


def mend_vectors() -> None:
    """They can be stored again."""
    off_insert("student_embeddings")
