"""What the API shows of one student."""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg.rows import class_row, dict_row

from workers.errors import UnknownKeyError
from workers.freshness import KeyFreshness, Kind, read_keys
from workers.queries import query
from workers.settings import settings
from workers.stores import connection

READ_STUDENT = query("read_student.read_student")
STUDENT_EXISTS = query("read_student.student_exists")
READ_NEIGHBORS = query("read_student.read_neighbors")

KINDS = (Kind.student_embedding, Kind.student_neighbors)


@dataclass(frozen=True)
class Student:
    """The stored row, the profile (None until it has been built) and the ledger's two rows."""

    row: Mapping[str, object]
    profile: Mapping[str, object] | None
    freshness: Mapping[Kind, KeyFreshness]


@dataclass(frozen=True)
class Neighbor:
    """A similar student; cosine similarity in [0, 1]."""

    student_id: str
    similarity: float


@dataclass(frozen=True)
class NeighborList:
    """A student's neighbours, best first, and how fresh the list is."""

    neighbors: list[Neighbor]
    freshness: KeyFreshness | None


def read_student(student_id: str) -> Student:
    """One student.

    Raises:
        UnknownKeyError: there is no such student.
    """
    with connection() as conn:
        row = (
            conn.cursor(row_factory=dict_row)
            .execute(READ_STUDENT, {"student_id": student_id})
            .fetchone()
        )
    if row is None:
        raise UnknownKeyError("unknown_student", student_id)
    profile = row.pop("profile")
    return Student(row, profile and _largest_first(profile), read_keys(student_id, KINDS))


def read_neighbors(student_id: str, limit: int | None = None) -> NeighborList:
    """The nearest `limit` neighbours, at most and by default all `max_neighbors`.

    Raises:
        UnknownKeyError: there is no such student.
    """
    most = min(limit or settings().max_neighbors, settings().max_neighbors)
    with connection() as conn:
        cursor = conn.cursor(row_factory=class_row(Neighbor))
        found = cursor.execute(READ_NEIGHBORS, {"student_id": student_id, "limit": most}).fetchall()
        if not found and conn.execute(STUDENT_EXISTS, {"student_id": student_id}).fetchone() != (
            True,
        ):
            raise UnknownKeyError("unknown_student", student_id)
    return NeighborList(found, read_keys(student_id, KINDS).get(Kind.student_neighbors))


def _largest_first(profile: Mapping[str, object]) -> dict[str, object]:
    """Shares in the order in which they were made, which jsonb does not keep."""
    return {
        name: dict(sorted(value.items(), key=lambda share: (-share[1], share[0])))
        if isinstance(value, dict) and name.endswith("_shares")
        else value
        for name, value in profile.items()
    }
