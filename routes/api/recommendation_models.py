"""What recommendations are made with: models, weights of terms, and how good they turned out."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.runs import send_run
from routes.api.runs import STARTED, RunStarted
from routes.http.access import caller_of
from routes.http.operations import Operation, json_body, reply
from routes.http.parameters import path_number
from workers.books.model_store import (
    Model,
    activate_model,
    list_models,
    read_model,
    roll_back_model,
)
from workers.books.quality import Quality, read_quality
from workers.books.score import TermWeights
from workers.books.term_weights import (
    WeightsVersion,
    change_weights,
    list_weights,
    restore_weights,
)
from workers.core.api_keys import Role
from workers.jobs.runs import RunKind, create_run

Weight = Annotated[float, Field(ge=0, le=10)]


class WeightsIn(BaseModel):
    """How much each term counts; one that is left out counts nothing."""

    model_config = ConfigDict(extra="forbid", strict=True)

    readers: Weight = 0
    content: Weight = 0
    neighbors: Weight = 0
    trending: Weight = 0
    level: Weight = 0
    rating: Weight = 0
    staff_pick: Weight = 0
    series: Weight = 0


class WeightsOut(BaseModel):
    """The version that is in force from now on."""

    version: int


MODEL = TypeAdapter(Model)
MODELS = TypeAdapter(list[Model])
QUALITY = TypeAdapter(Quality)
WEIGHTS_IN = TypeAdapter(WeightsIn)
WEIGHTS_OUT = TypeAdapter(WeightsOut)
WEIGHTS = TypeAdapter(list[WeightsVersion])

MODEL_ID = path_number("model_id", "unknown_model")
VERSION = path_number("version", "unknown_weights")


def get_recommendation_models() -> Response:
    return reply(MODELS, list_models())


def post_recommendation_model() -> Response:
    """Begin to build a model."""
    run_id = create_run(RunKind.recommendation_model)
    send_run(run_id, RunKind.recommendation_model)
    return reply(STARTED, RunStarted(run_id=run_id), 202)


def post_activate_model(model_id: int) -> Response:
    """Let readers follow a model."""
    activate_model(model_id)
    return reply(MODEL, read_model(model_id))


def post_roll_back_model() -> Response:
    """Let readers follow the model before."""
    return reply(MODEL, read_model(roll_back_model()))


def get_recommendation_quality() -> Response:
    """Measure how good recommendations turned out."""
    return reply(QUALITY, read_quality())


def get_weights() -> Response:
    """List the versions of the weights."""
    return reply(WEIGHTS, list_weights())


def put_weights(request: Request) -> Response:
    """Weigh terms so from now on."""
    given = json_body(request, WEIGHTS_IN)
    version = change_weights(TermWeights(**given.model_dump()), caller_of(request).name)
    return reply(WEIGHTS_OUT, WeightsOut(version=version))


def post_restore_weights(request: Request, version: int) -> Response:
    """Weigh terms as in an earlier version."""
    return reply(WEIGHTS_OUT, WeightsOut(version=restore_weights(version, caller_of(request).name)))


OPERATIONS = (
    Operation(
        method="GET",
        path="/recommendations/models",
        handler=get_recommendation_models,
        summary="Versions of the recommendation model, the newest first, and which is read.",
        role=Role.read,
        answers=MODELS,
        problems=(503,),
    ),
    Operation(
        method="POST",
        path="/recommendations/models",
        handler=post_recommendation_model,
        summary="Build a recommendation model from all loans, as each night.",
        role=Role.write,
        answers=STARTED,
        status=202,
        problems=(409, 503),
        audited=True,
    ),
    Operation(
        method="POST",
        path="/recommendations/models/{model_id}/activate",
        handler=post_activate_model,
        parameters=(MODEL_ID,),
        summary="Let answers follow this model.",
        role=Role.admin,
        answers=MODEL,
        problems=(404, 409, 503),
        audited=True,
    ),
    Operation(
        method="POST",
        path="/recommendations/models/rollback",
        handler=post_roll_back_model,
        summary="Let answers follow the model before the present one.",
        role=Role.admin,
        answers=MODEL,
        problems=(409, 503),
        audited=True,
    ),
    Operation(
        method="GET",
        path="/recommendations/quality",
        handler=get_recommendation_quality,
        summary="How old the model is, how it was chosen, and what became of answers by week.",
        role=Role.read,
        answers=QUALITY,
        problems=(503,),
        alone=True,
    ),
    Operation(
        method="GET",
        path="/recommendations/weights",
        handler=get_weights,
        summary="How terms are weighed: versions, the newest first, which is in force.",
        role=Role.read,
        answers=WEIGHTS,
        problems=(503,),
    ),
    Operation(
        method="PUT",
        path="/recommendations/weights",
        handler=put_weights,
        summary="Weigh terms so from the next answer on.",
        role=Role.admin,
        answers=WEIGHTS_OUT,
        accepts={"application/json": WEIGHTS_IN},
        problems=(503,),
        audited=True,
    ),
    Operation(
        method="POST",
        path="/recommendations/weights/{version}/restore",
        handler=post_restore_weights,
        parameters=(VERSION,),
        summary="Weigh terms as in an earlier version, 0 being the file weights.json.",
        role=Role.admin,
        answers=WEIGHTS_OUT,
        problems=(404, 503),
        audited=True,
    ),
)
