"""Rank candidate documents: by likeness to a query, or by that and the caller's own signals."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    TypeAdapter,
    model_validator,
)
from starlette.requests import Request
from starlette.responses import Response

from routes.http.operations import Operation, json_body, reply
from workers.core.api_keys import Role
from workers.core.vocabulary import Id
from workers.documents.rerank import FusedRanking, Ranking, rerank, rerank_by_signals
from workers.documents.signals import DEFAULT_WEIGHT, SEMANTIC

MAX_CANDIDATES = 1000
DEFAULT_RANKED = 10
MAX_QUERY_CHARACTERS = 5000
MAX_SIGNALS = 20
MAX_NAME_CHARACTERS = 64
# Far beyond any score, near enough that differences stay finite.
MAX_SIGNAL = 1e100
MAX_WEIGHT = 1e6

Query = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUERY_CHARACTERS),
    Field(json_schema_extra={"pattern": r"\S"}),  # for the document: what is left of blanks
]
Name = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$", max_length=MAX_NAME_CHARACTERS)
]
Signal = Annotated[float, Field(strict=True, ge=-MAX_SIGNAL, le=MAX_SIGNAL, allow_inf_nan=False)]
Weight = Annotated[float, Field(strict=True, ge=0, le=MAX_WEIGHT, allow_inf_nan=False)]
Limit = Annotated[int, Field(ge=1, le=MAX_CANDIDATES)]
# For the document: names of another form are refused, which a pattern for names does not say.
NO_OTHERS: dict[str, JsonValue] = {"additionalProperties": False}


class RerankIn(BaseModel):
    """A query and the candidates to order by it."""

    model_config = ConfigDict(extra="forbid")

    query: Query
    doc_ids: list[Id] = Field(max_length=MAX_CANDIDATES)
    limit: Limit = DEFAULT_RANKED


class CandidateIn(BaseModel):
    """A document and what the caller's own search says of it; more is better in each signal."""

    model_config = ConfigDict(extra="forbid")

    doc_id: Id
    signals: dict[Name, Signal] = Field(
        default={}, max_length=MAX_SIGNALS, json_schema_extra=NO_OTHERS
    )


class FuseIn(BaseModel):
    """A query, candidates with signals, and the signals' weights; `semantic` is the likeness.

    A weight that is not given is 1. Each document stands once, and a name in `weights` is one of a
    signal.
    """

    model_config = ConfigDict(extra="forbid")

    query: Query
    candidates: list[CandidateIn] = Field(max_length=MAX_CANDIDATES)
    weights: dict[Name, Weight] = Field(
        default={}, max_length=MAX_SIGNALS + 1, json_schema_extra=NO_OTHERS
    )
    limit: Limit = DEFAULT_RANKED

    @model_validator(mode="after")
    def _names_fit(self) -> "FuseIn":
        names = {name for each in self.candidates for name in each.signals}
        if len({each.doc_id for each in self.candidates}) < len(self.candidates):
            raise ValueError("a document is there twice")
        if SEMANTIC in names:
            raise ValueError(f"{SEMANTIC} is computed here, and cannot be given")
        if len(names) > MAX_SIGNALS:
            raise ValueError(f"there are {len(names)} signals, and may be {MAX_SIGNALS}")
        unknown = sorted(self.weights.keys() - names - {SEMANTIC})
        if unknown:
            raise ValueError(f"no candidate has a signal {unknown[0]}")
        if not sum(self.weights.get(name, DEFAULT_WEIGHT) for name in {*names, SEMANTIC}):
            raise ValueError("one weight at least must be above 0")
        return self


def _form(body: Any) -> str:
    return "candidates" if isinstance(body, dict) and "candidates" in body else "doc_ids"


# Told apart by their candidates, so that errors are those of the form that was meant.
RERANK: TypeAdapter[RerankIn | FuseIn] = TypeAdapter(
    Annotated[
        Annotated[RerankIn, Tag("doc_ids")] | Annotated[FuseIn, Tag("candidates")],
        Discriminator(_form),
    ]
)
RANKING: TypeAdapter[Ranking | FusedRanking] = TypeAdapter(Ranking | FusedRanking)


def post_rerank(request: Request) -> Response:
    """Order candidates by likeness to a query, and by signals where they have some."""
    wanted = json_body(request, RERANK)
    if isinstance(wanted, RerankIn):
        return reply(RANKING, rerank(wanted.query, wanted.doc_ids, wanted.limit))
    signals = {each.doc_id: each.signals for each in wanted.candidates}
    return reply(RANKING, rerank_by_signals(wanted.query, signals, wanted.weights, wanted.limit))


OPERATIONS = (
    Operation(
        method="POST",
        path="/documents/rerank",
        handler=post_rerank,
        summary="Order candidate documents by likeness to a query, or by that and own signals.",
        role=Role.read,
        accepts={"application/json": RERANK},
        answers=RANKING,
        problems=(404, 503),
    ),
)
