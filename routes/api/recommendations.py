"""Recommendations of books: for a student, a class or a book; again by id; and why not."""

from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from routes.http.access import caller_of
from routes.http.children import check_children
from routes.http.operations import Operation, json_body, reply
from routes.http.parameters import (
    NeededText,
    path_id,
    path_uuid,
    query_flag,
    query_level,
    query_limit,
    query_text,
)
from routes.http.scoring import scoring_of
from routes.http.threads import compute
from routes.http.whole_numbers import AS_WHOLE
from workers.books.answers import read_answer
from workers.books.arrays import Scoring
from workers.books.diversity import DIVERSITY
from workers.books.explain import Explanation, explain
from workers.books.recommend import recommend, recommend_without_postgres
from workers.books.wanted import MAX_LEVEL, MAX_LIMIT, MAX_STUDENTS, Answer, Wanted, level_window
from workers.core.api_keys import Role
from workers.core.errors import UnknownKeyError
from workers.core.vocabulary import Id

MAX_EXCLUDED = 1000
MAX_GENRES = 20

Level = Annotated[float, Field(ge=0, le=MAX_LEVEL)]
Genre = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Places = Annotated[int, Field(strict=True, ge=1, le=MAX_LIMIT)]
Limit = Annotated[Places, AS_WHOLE]


class FilterIn(BaseModel):
    """What books may be: between two levels in grades, of any of the genres, in a language."""

    model_config = ConfigDict(extra="forbid", strict=True)

    level: tuple[Level, Level] | None = None
    genres: Annotated[list[Genre], Field(min_length=1, max_length=MAX_GENRES)] | None = None
    language: Annotated[str, StringConstraints(min_length=2, max_length=35)] | None = None
    available: bool = True


class _Question(BaseModel):
    """What may be asked whatever a list is for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    limit: Limit = 10
    query: NeededText | None = None
    scenario: Literal["default", "something_different"] = "default"
    filter: FilterIn = FilterIn()
    exclude_ids: Annotated[list[Id], Field(max_length=MAX_EXCLUDED)] = []
    exclude_seen: bool = True
    exclude_shown: bool = True
    diversity: Annotated[float, Field(ge=0, le=1)] | None = None
    cursor: UUID | None = None

    def wanted(self) -> Wanted:
        """Say the same as the workers do."""
        usual = 0.6 if self.scenario == "something_different" else DIVERSITY
        return Wanted(
            limit=self.limit,
            query=self.query,
            levels=self.filter.level and level_window(*self.filter.level),
            genres=None if self.filter.genres is None else frozenset(self.filter.genres),
            language=self.filter.language,
            available=self.filter.available,
            exclude_ids=tuple(self.exclude_ids),
            seen_again=not self.exclude_seen,
            shown_again=not self.exclude_shown,
            diversity=usual if self.diversity is None else self.diversity,
            earlier=self.cursor,
        )


class ForStudent(_Question):
    """Books for one student."""

    student_id: Id

    def wanted(self) -> Wanted:
        """Say the same as the workers do."""
        return replace(super().wanted(), student_ids=(self.student_id,))


class ForClass(_Question):
    """Books for several students together."""

    student_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_STUDENTS)]

    def wanted(self) -> Wanted:
        """Say the same as the workers do; a student named twice is one."""
        return replace(super().wanted(), student_ids=tuple(dict.fromkeys(self.student_ids)))


class ForBook(_Question):
    """What readers of a book also borrowed."""

    book_id: Id

    def wanted(self) -> Wanted:
        """Say the same as the workers do."""
        return replace(super().wanted(), book_id=self.book_id)


RECOMMENDATIONS_IN: TypeAdapter[ForStudent | ForClass | ForBook] = TypeAdapter(
    ForStudent | ForClass | ForBook
)
ANSWER = TypeAdapter(Answer)
EXPLANATION = TypeAdapter(Explanation)

STUDENT_ID = path_id("student_id")
LIMIT = query_limit(MAX_LIMIT, 10)
BOOK_ID = query_text("book_id", "the book", needed=True)
FILTER = (
    query_level("level_min", "of the list: reading level in grades, at least"),
    query_level("level_max", "of the list: reading level in grades, at most"),
    query_text("genre", "of the list: one of these genres, with commas between them"),
    query_text("language", "of the list: a language tag; pt takes pt-br, too"),
    query_flag("available", "false: the list has books whose copies are all lent, too"),
)
RECOMMENDATION_ID = path_uuid("recommendation_id")


async def post_recommendations(request: Request) -> Response:
    """Recommend books for what the body asks."""
    wanted = json_body(request, RECOMMENDATIONS_IN).wanted()
    if caller_of(request).role is Role.teacher:
        await run_in_threadpool(_check_wanted, request, wanted)
    return await _answer(request, wanted)


async def get_student_recommendations(request: Request, student_id: str, limit: int) -> Response:
    """Recommend books for a student, as things stand."""
    return await _answer(request, Wanted(student_ids=(student_id,), limit=limit))


def get_recommendation(request: Request, recommendation_id: UUID) -> Response:
    """Give an answer again, as it was."""
    return reply(ANSWER, _check_answer(request, recommendation_id))


def get_explanation(
    request: Request,
    student_id: str,
    book_id: str,
    level_min: float | None,
    level_max: float | None,
    genre: str | None,
    language: str | None,
    available: bool | None,  # noqa: FBT001  # parameters are bound by name
) -> Response:
    """Say where a book stands for a student, or which rule keeps it out."""
    genres = frozenset(each.strip() for each in (genre or "").split(",") if each.strip())
    wanted = Wanted(
        student_ids=(student_id,),
        levels=level_window(level_min, level_max),
        genres=genres or None,
        language=language,
        available=available is not False,
    )
    return reply(EXPLANATION, explain(scoring_of(request), wanted, book_id))


def _check_wanted(request: Request, wanted: Wanted) -> None:
    check_children(caller_of(request), wanted.student_ids)
    if wanted.earlier is not None:
        _check_answer(request, wanted.earlier)


def _check_answer(request: Request, recommendation_id: UUID) -> Answer:
    """Read an answer that the caller may see: one about children of others is unknown to it."""
    answer: Answer = ANSWER.validate_python(read_answer(recommendation_id))
    about = [*filter(None, [answer.student_id]), *answer.student_ids]
    try:
        check_children(caller_of(request), about)
    except UnknownKeyError:
        raise UnknownKeyError("unknown_recommendation", str(recommendation_id)) from None
    return answer


async def _answer(request: Request, wanted: Wanted) -> Response:
    scoring = scoring_of(request)
    try:
        return await compute(_recommend, scoring, wanted)
    except (psycopg.OperationalError, PoolTimeout):
        answer = await run_in_threadpool(recommend_without_postgres, scoring, wanted)
        if answer is None:
            raise
        return reply(ANSWER, answer)


def _recommend(scoring: Scoring, wanted: Wanted) -> Response:
    return reply(ANSWER, recommend(scoring, wanted))


OPERATIONS = (
    Operation(
        method="POST",
        path="/recommendations",
        handler=post_recommendations,
        summary="Books for a student, a class, or readers of a book, with scores and reasons.",
        role=Role.read,
        also=(Role.teacher,),
        answers=ANSWER,
        accepts={"application/json": RECOMMENDATIONS_IN},
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/students/{student_id}/recommendations",
        handler=get_student_recommendations,
        parameters=(STUDENT_ID, LIMIT),
        summary="Books for one student, as things stand.",
        role=Role.read,
        also=(Role.teacher,),
        answers=ANSWER,
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/students/{student_id}/recommendations/explain",
        handler=get_explanation,
        parameters=(STUDENT_ID, BOOK_ID, *FILTER),
        summary="Where a book stands for a student, or which rule keeps it out.",
        role=Role.read,
        also=(Role.teacher,),
        answers=EXPLANATION,
        problems=(404, 503),
    ),
    Operation(
        method="GET",
        path="/recommendations/{recommendation_id}",
        handler=get_recommendation,
        parameters=(RECOMMENDATION_ID,),
        summary="An answer again, as it was.",
        role=Role.read,
        also=(Role.teacher,),
        answers=ANSWER,
        problems=(404, 503),
    ),
)
