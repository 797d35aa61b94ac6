"""Reads of one student: stored row, profile, neighbours, and how fresh the derived ones are."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.reads import ReadQuery, Row, Rows, fetch
from workers.core.settings import settings
from workers.core.vocabulary import Kind
from workers.ledger.freshness import KeyFreshness

READ_STUDENT = query("students/read.read_student")
READ_NEIGHBORS = query("students/read.read_neighbors")

# What stands of a student in the row itself.
FACTS = (
    "student_id",
    "grade_level",
    "age",
    "homeroom_teacher",
    "prior_year_reading_score",
    "lunch_period",
    "created_at",
    "updated_at",
)
LEDGER_COLUMNS = tuple(field.name for field in fields(KeyFreshness) if field.name != "kind")


@dataclass(frozen=True)
class Student:
    """A student's stored row, profile (None until it has been built) and rows of the ledger."""

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
    """Read one student.

    Raises:
        UnknownKeyError: there is no such student.
    """
    return fetch(student_query(student_id))


def student_query(student_id: str) -> ReadQuery[Student]:
    """Make the read of one student; raises as `read_student`."""
    return ReadQuery(
        READ_STUDENT,
        {"student_id": student_id},
        lambda rows: _student(_only(rows, student_id)),
    )


def _student(row: Row) -> Student:
    freshness = {
        kind: found
        for kind in (Kind.student_embedding, Kind.student_neighbors)
        if (found := _freshness(row, kind)) is not None
    }
    return Student(
        {name: row[name] for name in FACTS},
        row["profile"] and _largest_first(row["profile"]),
        freshness,
    )


def read_neighbors(student_id: str, limit: int | None = None) -> NeighborList:
    """Read the nearest `limit` neighbours, at most and by default all `max_neighbors`.

    Raises:
        UnknownKeyError: there is no such student.
    """
    return fetch(neighbors_query(student_id, limit))


def neighbors_query(student_id: str, limit: int | None = None) -> ReadQuery[NeighborList]:
    """Make the read of a student's nearest neighbours; raises as `read_neighbors`."""
    shown = min(limit or settings().max_neighbors, settings().max_neighbors)
    return ReadQuery(
        READ_NEIGHBORS,
        {"student_id": student_id, "limit": shown},
        lambda rows: _neighbors(_only(rows, student_id)),
    )


def _neighbors(row: Row) -> NeighborList:
    members = map(Neighbor, row["ids"] or (), row["similarities"] or ())
    return NeighborList([*members], _freshness(row, Kind.student_neighbors))


def _only(rows: Rows, student_id: str) -> Row:
    if not rows:
        raise UnknownKeyError("unknown_student", student_id)
    return rows[0]


def _freshness(row: Row, kind: Kind) -> KeyFreshness | None:
    """Read the ledger's columns of a kind, whose names begin with it; None if it has no row."""
    columns = {name: row[f"{kind}_{name}"] for name in LEDGER_COLUMNS}
    return None if columns["fresh"] is None else KeyFreshness(kind=kind, **columns)


def _largest_first(profile: Mapping[str, object]) -> dict[str, object]:
    """Order shares as they were made, which jsonb does not keep."""
    return {
        name: dict(sorted(value.items(), key=lambda share: (-share[1], share[0])))
        if isinstance(value, dict) and name.endswith("_shares")
        else value
        for name, value in profile.items()
    }
