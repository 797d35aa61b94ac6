"""Students: what is known and derived of one, its neighbours, and a recompute on demand."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.notify import notify
from routes.http.operations import Form, Operation, reply
from routes.http.parameters import path_id, query_optional_limit
from routes.http.quick_reads import fetch
from workers.core.api_keys import Role
from workers.core.vocabulary import Kind
from workers.ledger.freshness import KeyFreshness
from workers.students.check import ProfileQuality, check_profiles
from workers.students.read import Neighbor, neighbors_query, student_query
from workers.students.request import request_recompute


class Freshness(BaseModel):
    """Whether one derived thing is fresh; `last_event` is the event that its value reflects."""

    fresh: bool
    stale_since: datetime | None
    updated_at: datetime | None
    last_event: UUID | None
    error: str | None

    @classmethod
    def of(cls, row: KeyFreshness | None) -> "Freshness":
        """Take the fields of the ledger's row; what has none was never asked for, and is stale."""
        if row is None:
            return cls(fresh=False, stale_since=None, updated_at=None, last_event=None, error=None)
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class StudentFreshness(BaseModel):
    """The two things that are derived for a student."""

    embedding: Freshness
    neighbors: Freshness


class Level(BaseModel):
    """Reading level in grades, confidence in [0, 1]."""

    value: float | None
    slope_per_30_days: float | None
    confidence: float
    method: str


class StudentOut(BaseModel):
    """A student with profile, reading level and freshness; no profile until it has been built."""

    student_id: str
    grade_level: int | None
    age: int | None
    homeroom_teacher: str | None
    prior_year_reading_score: float | None
    lunch_period: str | None
    created_at: datetime
    updated_at: datetime
    profile: dict[str, object] | None
    reading_level: Level | None
    freshness: StudentFreshness


class NeighborsOut(BaseModel):
    """The nearest students, best first, cosine similarity in [0, 1]."""

    student_id: str
    neighbors: list[Neighbor]
    last_event: UUID | None
    updated_at: datetime | None
    fresh: bool


class RecomputeOut(BaseModel):
    """The event to follow at GET /events/{event_id}."""

    event_id: UUID


STUDENT = TypeAdapter(StudentOut)
NEIGHBORS = TypeAdapter(NeighborsOut)
RECOMPUTE = TypeAdapter(RecomputeOut)
QUALITY = TypeAdapter(ProfileQuality)

STUDENT_ID = path_id("student_id")
LIMIT = query_optional_limit("at most this many, up to MAX_NEIGHBORS")


async def get_student(request: Request, student_id: str) -> Response:
    """Read one student with profile, reading level and freshness."""
    student = await fetch(request, student_query(student_id))
    profile = dict(student.profile) if student.profile else None
    body = {
        **student.row,
        "profile": profile,
        "reading_level": profile and profile["reading_level"],
        "freshness": StudentFreshness(
            embedding=Freshness.of(student.freshness.get(Kind.student_embedding)),
            neighbors=Freshness.of(student.freshness.get(Kind.student_neighbors)),
        ),
    }
    return reply(STUDENT, StudentOut.model_validate(body))


async def get_neighbors(request: Request, student_id: str, limit: int | None) -> Response:
    """Read a student's neighbours with the freshness of the list."""
    found = await fetch(request, neighbors_query(student_id, limit))
    row = Freshness.of(found.freshness)
    body = NeighborsOut(
        student_id=student_id,
        neighbors=found.neighbors,
        last_event=row.last_event,
        updated_at=row.updated_at,
        fresh=row.fresh,
    )
    return reply(NEIGHBORS, body)


def post_recompute(student_id: str) -> Response:
    """Make a student stale, whatever the ledger says, and notify the workers."""
    event_id, notification = request_recompute(student_id)
    notify([notification])
    return reply(RECOMPUTE, RecomputeOut(event_id=event_id), 202)


def get_profile_quality() -> Response:
    """Measure how good the profiles are."""
    return reply(QUALITY, check_profiles())


OPERATIONS = (
    Operation(
        method="GET",
        path="/students/{student_id}",
        handler=get_student,
        parameters=(STUDENT_ID,),
        summary="A student's row, profile, reading level and freshness.",
        role=Role.read,
        also=(Role.teacher,),
        answers=STUDENT,
        problems=(
            404,
            503,
        ),
    ),
    Operation(
        method="GET",
        path="/students/{student_id}/neighbors",
        handler=get_neighbors,
        parameters=(STUDENT_ID, LIMIT),
        summary="The students most similar to this one.",
        role=Role.read,
        answers=NEIGHBORS,
        problems=(
            404,
            503,
        ),
    ),
    Operation(
        method="POST",
        path="/students/{student_id}/recompute",
        handler=post_recompute,
        parameters=(STUDENT_ID,),
        summary="Recompute one student now; revives a dead one.",
        role=Role.write,
        answers=RECOMPUTE,
        status=202,
        problems=(
            404,
            503,
        ),
        form=Form(done="{student_id} is recomputed."),
    ),
    Operation(
        method="GET",
        path="/profiles/quality",
        handler=get_profile_quality,
        summary="How complete, diverse, consistent and clustered the profiles of a sample are.",
        role=Role.read,
        answers=QUALITY,
        problems=(503,),
        alone=True,
    ),
)
