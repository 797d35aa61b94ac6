"""Whose homeroom students are in."""

from collections.abc import Sequence

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.reads import ReadQuery, Rows
from workers.core.stores import connection

FIND_CHILDREN = query("students/homerooms.find_children")
LIST_HOMEROOMS = query("students/homerooms.list_homerooms")


def children_query(student_ids: Sequence[str], homerooms: Sequence[str]) -> ReadQuery[None]:
    """Ask whether all of these students are in one of the homerooms.

    The answer raises UnknownKeyError of those that are not, whether there are such students or not.
    """

    def read(rows: Rows) -> None:
        children = {row["student_id"] for row in rows}
        others = [student_id for student_id in student_ids if student_id not in children]
        if others:
            raise UnknownKeyError("unknown_student", ", ".join(others))

    return ReadQuery(
        FIND_CHILDREN, {"student_ids": list(student_ids), "homerooms": list(homerooms)}, read
    )


def list_homerooms() -> list[str]:
    """List the homerooms of all students by name, five hundred at most."""
    with connection() as conn:
        return [name for (name,) in conn.execute(LIST_HOMEROOMS)]
