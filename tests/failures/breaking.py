"""A fault inside the database: storing some students' vectors fails, which is no outage."""

from tests.library import change

REASON = "broken on purpose"


def break_vectors_of(student_id: str) -> None:
    """From now on this student's vector cannot be stored."""
    change(
        "CREATE OR REPLACE FUNCTION break() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{REASON}'; END $$"
    )
    change(
        "CREATE TRIGGER break BEFORE INSERT ON student_embeddings FOR EACH ROW"
        f" WHEN (NEW.student_id = '{student_id}') EXECUTE FUNCTION break()"
    )


def mend_vectors() -> None:
    """They can be stored again."""
    change("DROP TRIGGER break ON student_embeddings")
