"""Users: their interests, similar users, recommendations, and the work behind them."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.notify import notify
from actors.runs import send_run
from routes.api.runs import STARTED, RunStarted
from routes.http.operations import Operation, json_body, path_id, query_number, reply
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
from workers.users.recompute import recompute_users, request_users

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


def get_user_embedding(request: Request) -> Response:
    """A user's vector."""
    return reply(EMBEDDING, read_embedding(path_id(request, "user_id")))


def get_similar_users(request: Request) -> Response:
    """Users of like interests."""
    user_id = path_id(request, "user_id")
    limit = query_number(request, "limit", MAX_SIMILAR) or DEFAULT_LIMIT
    return reply(SIMILAR, SimilarOut(user_id=user_id, similar=find_similar(user_id, limit)))


def get_recommendations(request: Request) -> Response:
    """Posts for a user."""
    limit = query_number(request, "limit", MAX_RECOMMENDATIONS) or DEFAULT_LIMIT
    return reply(RECOMMENDATIONS, recommend_posts(path_id(request, "user_id"), limit))


def post_recompute_users(request: Request) -> Response:
    """Compute interests now."""
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


def get_batch_process(request: Request) -> Response:  # noqa: ARG001  # handlers share one signature
    """Do at once what the schedule does."""
    if settings().kinfold_env == "production":
        raise Problem(404, "Not Found", reason="unknown_path")
    run_id = create_run(RunKind.recompute_users)
    done = recompute_users(run_id)
    return reply(PROCESSED, ProcessedOut(run_id=run_id, processed=len(done), user_ids=done))


OPERATIONS = (
    Operation(
        "POST",
        "/users/recompute",
        post_recompute_users,
        "Compute the interests of these users now, or of all that are due.",
        Role.write,
        STARTED,
        202,
        accepts={"application/json": RECOMPUTE},
        problems=(400, 404, 409, 413, 422, 503),
        audited=True,
    ),
    Operation(
        "GET",
        "/users/{user_id}/embedding",
        get_user_embedding,
        "A user's interests as a vector; 404 with a reason code where there is none.",
        Role.read,
        EMBEDDING,
        problems=(404, 422, 503),
    ),
    Operation(
        "GET",
        "/users/{user_id}/similar",
        get_similar_users,
        "The users with the most similar interests.",
        Role.read,
        SIMILAR,
        query={"limit": f"at most this many, up to {MAX_SIMILAR}"},
        problems=(404, 422, 503),
    ),
    Operation(
        "GET",
        "/users/{user_id}/recommendations",
        get_recommendations,
        "Posts that the user has not seen, ranked by similarity, recency and engagement.",
        Role.read,
        RECOMMENDATIONS,
        query={"limit": f"at most this many, up to {MAX_RECOMMENDATIONS}"},
        problems=(422, 503),
    ),
    Operation(
        "GET",
        "/api/actions/batch-process",
        get_batch_process,
        "Development only: what the schedule does every two hours, with the users as answer.",
        Role.write,
        PROCESSED,
        problems=(404, 409, 503),
    ),
)
