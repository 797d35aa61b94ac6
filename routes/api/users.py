"""Users: their interests, similar users, recommendations, and the work behind them."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.notify import notify
from actors.runs import send_run
from routes.api.runs import STARTED, RunStarted
from routes.http.operations import Operation, json_body, reply
from routes.http.parameters import path_id, query_limit
from routes.http.problems import Problem
from workers.core.api_keys import Role
from workers.core.settings import settings
from workers.core.vocabulary import Id
from workers.jobs.runs import RunKind, create_run
from workers.users.read import (
    MAX_SIMILAR,
    SimilarUser,
    UserEmbedding,
    find_similar,
    read_embedding,
)
from workers.users.recommend import MAX_RECOMMENDATIONS, Recommendations, recommend_posts
from workers.users.runs import recompute_users, request_users

DEFAULT_LIMIT = 10
MAX_USERS = 10_000


class RecomputeIn(BaseModel):
    """Which users; nobody named means all that are due."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user_ids: list[Id] = Field(default=[], max_length=MAX_USERS)


class SimilarOut(BaseModel):
    """Best first."""

    user_id: str
    similar: list[SimilarUser]


class ProcessedOut(BaseModel):
    """The users that the run is done with, those without a vector included."""

    run_id: UUID
    processed: int
    user_ids: list[str]


RECOMPUTE = TypeAdapter(RecomputeIn)
EMBEDDING = TypeAdapter(UserEmbedding)
SIMILAR = TypeAdapter(SimilarOut)
RECOMMENDATIONS = TypeAdapter(Recommendations)
PROCESSED = TypeAdapter(ProcessedOut)

USER_ID = path_id("user_id")
SIMILAR_LIMIT = query_limit(MAX_SIMILAR, DEFAULT_LIMIT)
RECOMMENDATIONS_LIMIT = query_limit(MAX_RECOMMENDATIONS, DEFAULT_LIMIT)


def get_user_embedding(user_id: str) -> Response:
    """Read a user's interests as a vector."""
    return reply(EMBEDDING, read_embedding(user_id))


def get_similar_users(user_id: str, limit: int) -> Response:
    """Find users of like interests."""
    return reply(SIMILAR, SimilarOut(user_id=user_id, similar=find_similar(user_id, limit)))


def get_recommendations(user_id: str, limit: int) -> Response:
    """Recommend posts to a user."""
    return reply(RECOMMENDATIONS, recommend_posts(user_id, limit))


def post_recompute_users(request: Request) -> Response:
    """Begin a run that computes interests now."""
    asked = json_body(request, RECOMPUTE)
    if not asked.user_ids:
        run_id = create_run(RunKind.recompute_users)
        send_run(run_id, RunKind.recompute_users)
        return reply(STARTED, RunStarted(run_id=run_id), 202)
    requested = request_users(asked.user_ids)
    if requested.is_new:
        send_run(requested.run_id, requested.kind)
    notify(requested.notifications)
    return reply(STARTED, RunStarted(run_id=requested.run_id), 202)


def get_batch_process() -> Response:
    """Compute at once the interests of all users that are due."""
    if settings().kinfold_env == "production":
        raise Problem(404, "Not Found", reason="unknown_path")
    run_id = create_run(RunKind.recompute_users)
    done = recompute_users(run_id)
    return reply(PROCESSED, ProcessedOut(run_id=run_id, processed=len(done), user_ids=done))


OPERATIONS = (
    Operation(
        method="POST",
        path="/users/recompute",
        handler=post_recompute_users,
        summary="Compute the interests of these users now, or of all that are due.",
        role=Role.write,
        accepts={"application/json": RECOMPUTE},
        answers=STARTED,
        status=202,
        problems=(
            404,
            409,
            503,
        ),
        audited=True,
    ),
    Operation(
        method="GET",
        path="/users/{user_id}/embedding",
        handler=get_user_embedding,
        parameters=(USER_ID,),
        summary="A user's interests as a vector; 404 with a reason code where there is none.",
        role=Role.read,
        answers=EMBEDDING,
        problems=(
            404,
            503,
        ),
    ),
    Operation(
        method="GET",
        path="/users/{user_id}/similar",
        handler=get_similar_users,
        parameters=(USER_ID, SIMILAR_LIMIT),
        summary="The users with the most similar interests.",
        role=Role.read,
        answers=SIMILAR,
        problems=(
            404,
            503,
        ),
    ),
    Operation(
        method="GET",
        path="/users/{user_id}/recommendations",
        handler=get_recommendations,
        parameters=(USER_ID, RECOMMENDATIONS_LIMIT),
        summary="Posts that the user has not seen, ranked by similarity, recency and engagement.",
        role=Role.read,
        answers=RECOMMENDATIONS,
        problems=(503,),
    ),
    Operation(
        method="GET",
        path="/api/actions/batch-process",
        handler=get_batch_process,
        summary="Development only: what the schedule does every two hours, with the users in it.",
        role=Role.write,
        answers=PROCESSED,
        problems=(
            404,
            409,
            503,
        ),
    ),
)
