"""Children who borrowed last: by whom a librarian sees what a change of the weights does."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection
from workers.library.called import Called

LIST_RECENT_READERS = query("library/recent_readers.list_recent_readers")
READ_READERS = query("library/recent_readers.read_readers")

# The newest loans that are looked at, and the readers among them that are named.
NEWEST_LOANS = 2000
MAX_READERS = 60


@dataclass(frozen=True)
class Reader(Called):
    """A child who borrows."""

    student_id: str
    display_name: str | None
    grade_level: int | None
    homeroom_teacher: str | None


def list_recent_readers() -> list[Reader]:
    """List who borrowed last, one of each grade first."""
    with connection() as conn, conn.cursor(row_factory=class_row(Reader)) as cursor:
        return cursor.execute(
            LIST_RECENT_READERS, {"loans": NEWEST_LOANS, "most": MAX_READERS}
        ).fetchall()


def read_readers(student_ids: Sequence[str]) -> list[Reader]:
    """Read children by their ids, in that order.

    Raises:
        UnknownKeyError: one of them is not known.
    """
    with connection() as conn, conn.cursor(row_factory=class_row(Reader)) as cursor:
        found = cursor.execute(READ_READERS, {"student_ids": list(student_ids)}).fetchall()
    unknown = set(student_ids) - {reader.student_id for reader in found}
    if unknown:
        raise UnknownKeyError("unknown_student", ", ".join(sorted(unknown)))
    return found
