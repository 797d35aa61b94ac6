"""The map of readers: where each student's profile lies on the plane that shows most of them.

Nothing of it is stored, so it is as fresh as the profiles are. The plane is fitted to everybody, or
beyond a bound to the same part of them each time, and stays where it is when one class is looked
at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection
from workers.library.called import Called
from workers.library.principal_plane import Plane, fit_plane

READ_SAMPLE = query("library/reader_map.read_sample")
READ_CHOSEN = query("library/reader_map.read_chosen")
LIST_FACTS = query("library/reader_map.list_facts")
LIST_NEAR = query("library/reader_map.list_near")
COUNT_READERS = query("library/reader_map.count_readers")

# More points than this cover each other, and their vectors take longer to read than a page may.
MAX_POINTS = 500

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ReaderFacts(Called):
    """What the map says of a student; `level` in grades, `genre` leads their reading."""

    student_id: str
    display_name: str | None
    grade_level: int | None
    homeroom_teacher: str | None
    level: float | None
    loans: int
    genre: str | None


@dataclass(frozen=True)
class Point:
    """A student on the plane; `near` are places, among the points, of neighbours on the map."""

    reader: ReaderFacts
    x: float
    y: float
    near: Sequence[int]


@dataclass(frozen=True)
class ReaderMap:
    """Points by name, and of how many students they are.

    `students` are all that were asked for, `placed` those of them who have a vector; more than
    `MAX_POINTS` are not drawn. `share` in [0, 1] is how much of the differences between students
    the plane shows.
    """

    points: Sequence[Point]
    students: int
    placed: int
    share: float


def read_map(homeroom: str | None = None, grade: int | None = None) -> ReaderMap:
    """Place all students on a plane, or those of one homeroom or grade."""
    spec = settings().student_embedding
    chosen = {"homeroom": homeroom, "grade": grade}
    current = {"model": spec.model, "dimensions": spec.dimensions, "most": MAX_POINTS}
    with connection() as conn, conn.transaction():
        row = conn.execute(COUNT_READERS, {**current, **chosen}).fetchone()
        assert row is not None  # noqa: S101  # counts are one row
        students, placed = row
        vectors = _read_vectors(conn, READ_SAMPLE, current)
        if not vectors:
            return ReaderMap([], students, placed, 0.0)
        plane = fit_plane(np.stack(list(vectors.values())))
        if homeroom is not None or grade is not None:
            vectors = _read_vectors(conn, READ_CHOSEN, {**current, **chosen})
        points = _points(conn, plane, vectors)
    return ReaderMap(points, students, placed, plane.share)


def _read_vectors(
    conn: psycopg.Connection, statement: str, given: Mapping[str, object]
) -> dict[str, Floats]:
    rows = conn.cursor(binary=True).execute(statement, given)
    # In one order, so that the same vectors give the same plane to the last digit.
    return {student_id: vector.to_numpy() for student_id, vector in sorted(rows, key=itemgetter(0))}


def _points(conn: psycopg.Connection, plane: Plane, vectors: Mapping[str, Floats]) -> list[Point]:
    """Join places on the plane with facts and neighbours."""
    if not vectors:
        return []
    given = {"student_ids": list(vectors)}
    with conn.cursor(row_factory=class_row(ReaderFacts)) as cursor:
        readers = cursor.execute(LIST_FACTS, given).fetchall()
    near: dict[str, list[str]] = dict(
        conn.execute(LIST_NEAR, {**given, "neighbors": settings().max_neighbors}).fetchall()
    )
    placed = plane.place(np.stack([vectors[reader.student_id] for reader in readers]))
    places = {reader.student_id: place for place, reader in enumerate(readers)}
    return [
        Point(reader, x, y, [places[other] for other in near.get(reader.student_id, ())])
        for reader, (x, y) in zip(readers, placed.tolist(), strict=True)
    ]
