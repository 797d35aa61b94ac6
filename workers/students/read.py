"""What the API shows of one student."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.reads import Question, Row, Rows, ask
from workers.core.settings import settings
from workers.core.vocabulary import Kind
from workers.ledger.freshness import KeyFreshness

READ_STUDENT = query("students/read.read_student")
READ_NEIGHBORS = query("students/read.read_neighbors")

# The columns of a student's row, and how many the ledger's has.
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
LEDGER = len(fields(KeyFreshness))


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
    return ask(student_question(student_id))


def student_question(student_id: str) -> Question[Student]:
    """For one student; as `read_student`."""
    return Question(
        READ_STUDENT,
        {"student_id": student_id},
        lambda rows: _student(_only(rows, student_id)),
    )


def _student(row: Row) -> Student:
    facts = dict(zip(FACTS, row, strict=False))
    profile, *ledger = row[len(FACTS) :]
    rows = [_freshness(ledger[:LEDGER]), _freshness(ledger[LEDGER:])]
    return Student(
        facts, profile and _largest_first(profile), {row.kind: row for row in rows if row}
    )


def read_neighbors(student_id: str, limit: int | None = None) -> NeighborList:
    """The nearest `limit` neighbours, at most and by default all `max_neighbors`.

    Raises:
        UnknownKeyError: there is no such student.
    """
    return ask(neighbors_question(student_id, limit))


def neighbors_question(student_id: str, limit: int | None = None) -> Question[NeighborList]:
    """For the nearest neighbours; as `read_neighbors`."""
    most = min(limit or settings().max_neighbors, settings().max_neighbors)
    return Question(
        READ_NEIGHBORS,
        {"student_id": student_id, "limit": most},
        lambda rows: _neighbors(_only(rows, student_id)),
    )


def _neighbors(row: Row) -> NeighborList:
    ids, sims, *ledger = row
    return NeighborList([*map(Neighbor, ids or (), sims or ())], _freshness(ledger))


def _only(rows: Rows, student_id: str) -> Row:
    if not rows:
        raise UnknownKeyError("unknown_student", student_id)
    return rows[0]


def _freshness(columns: Sequence[Any]) -> KeyFreshness | None:
    kind, *rest = columns
    return None if kind is None else KeyFreshness(Kind(kind), *rest)


def _largest_first(profile: Mapping[str, object]) -> dict[str, object]:
    """Shares in the order in which they were made, which jsonb does not keep."""
    return {
        name: dict(sorted(value.items(), key=lambda share: (-share[1], share[0])))
        if isinstance(value, dict) and name.endswith("_shares")
        else value
        for name, value in profile.items()
    }
