"""Documents: begin a run, read vectors, rank candidates, see what is covered and what failed."""

import base64
import binascii
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.runs import send_run
from routes.api.runs import STARTED, RunStarted
from routes.http.operations import Operation, json_body, path_id, query_number, reply
from routes.http.problems import Problem
from workers.core.api_keys import Role
from workers.core.vocabulary import Id
from workers.documents.coverage import Coverage, measure_coverage
from workers.documents.failures import FailedDocument, list_failures
from workers.documents.plan import begin_documents_run
from workers.documents.read import (
    Ranking,
    StoredVector,
    describe,
    read_vector,
    read_vectors,
    rerank,
)
from workers.documents.source import check_source
from workers.documents.versions import active_version
from workers.jobs.runs import RunKind

MAX_IDS = 1000
MAX_RUN_IDS = 10_000
DEFAULT_RANKED = 10
DEFAULT_FAILURES = 50
MAX_QUERY_CHARACTERS = 5000

Query = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_QUERY_CHARACTERS),
    Field(json_schema_extra={"pattern": r"\S"}),  # for the document: what is left of blanks
]


class Mode(StrEnum):
    """What a run over the documents does."""

    all = "all"
    incremental = "incremental"
    stale = "stale"
    cleanup = "cleanup"

    @property
    def kind(self) -> RunKind:
        """The kind of its run."""
        return RunKind(f"documents_{self}")


class ModeIn(BaseModel):
    """A run over the whole collection."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode


class NamedIn(BaseModel):
    """A run over some documents; those that are gone are taken out of the store."""

    model_config = ConfigDict(extra="forbid")

    doc_ids: list[Id] = Field(min_length=1, max_length=MAX_RUN_IDS)


class EmbeddingsIn(BaseModel):
    """Which vectors to read."""

    model_config = ConfigDict(extra="forbid")

    doc_ids: list[Id] = Field(max_length=MAX_IDS)


class EmbeddingsOut(BaseModel):
    """Vectors by id, all of one version, and the ids that have none."""

    version: str
    embeddings: dict[str, StoredVector]
    missing: list[str]


class RerankIn(BaseModel):
    """A query and the candidates to order by it."""

    model_config = ConfigDict(extra="forbid")

    query: Query
    doc_ids: list[Id] = Field(max_length=MAX_IDS)
    limit: int = Field(default=DEFAULT_RANKED, ge=1, le=MAX_IDS)


class FailuresOut(BaseModel):
    """Failed documents of the active version by id; `next_cursor` is null at the end."""

    failures: list[FailedDocument]
    next_cursor: str | None


PRECOMPUTE: TypeAdapter[ModeIn | NamedIn] = TypeAdapter(ModeIn | NamedIn)
EMBEDDINGS_IN = TypeAdapter(EmbeddingsIn)
EMBEDDINGS = TypeAdapter(EmbeddingsOut)
RERANK = TypeAdapter(RerankIn)
RANKING = TypeAdapter(Ranking)
EMBEDDING = TypeAdapter(StoredVector)
COVERAGE = TypeAdapter(Coverage)
FAILURES = TypeAdapter(FailuresOut)


def post_precompute(request: Request) -> Response:
    """Begin a run."""
    wanted = json_body(request, PRECOMPUTE)
    check_source()
    kind, doc_ids = (
        (wanted.mode.kind, [])
        if isinstance(wanted, ModeIn)
        else (RunKind.documents_ids, wanted.doc_ids)
    )
    run_id = begin_documents_run(kind, doc_ids)
    send_run(run_id, kind)
    return reply(STARTED, RunStarted(run_id=run_id), 202)


def get_embedding(request: Request) -> Response:
    """One vector."""
    return reply(EMBEDDING, read_vector(path_id(request, "doc_id")))


def post_embeddings(request: Request) -> Response:
    """Many vectors in one round trip."""
    wanted = json_body(request, EMBEDDINGS_IN)
    found = read_vectors([*dict.fromkeys(wanted.doc_ids)])
    body = EmbeddingsOut(
        version=found.version,
        embeddings={vector.doc_id: vector for vector in describe(found)},
        missing=found.missing,
    )
    return reply(EMBEDDINGS, body)


def post_rerank(request: Request) -> Response:
    """Candidates in the order of their likeness to a query."""
    wanted = json_body(request, RERANK)
    return reply(RANKING, rerank(wanted.query, wanted.doc_ids, wanted.limit))


def get_coverage(request: Request) -> Response:  # noqa: ARG001  # handlers share one signature
    """What the store reflects of the collection."""
    return reply(COVERAGE, measure_coverage())


def get_failures(request: Request) -> Response:
    """A page of failed documents."""
    limit = query_number(request, "limit", MAX_IDS) or DEFAULT_FAILURES
    cursor = request.query_params.get("cursor")
    failures = list_failures(active_version().version, limit, _decode(cursor) if cursor else "")
    following = _encode(failures[-1].doc_id) if len(failures) == limit else None
    return reply(FAILURES, FailuresOut(failures=failures, next_cursor=following))


def _encode(doc_id: str) -> str:
    return base64.urlsafe_b64encode(doc_id.encode()).decode()


def _decode(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor).decode().replace("\0", "")
    except (ValueError, binascii.Error):
        errors = [{"loc": ["cursor"], "msg": "not a cursor of this list"}]
        raise Problem(422, "1 invalid value", errors) from None


OPERATIONS = (
    Operation(
        "POST",
        "/documents/precompute",
        post_precompute,
        "Begin a run over the documents: all, incremental, stale, cleanup, or those named.",
        Role.write,
        STARTED,
        202,
        accepts={"application/json": PRECOMPUTE},
        problems=(400, 409, 413, 422, 503),
        audited=True,
    ),
    Operation(
        "GET",
        "/documents/{doc_id}/embedding",
        get_embedding,
        "A document's vector, whatever the codec it is stored with.",
        Role.read,
        EMBEDDING,
        problems=(404, 422, 503),
    ),
    Operation(
        "POST",
        "/documents/embeddings",
        post_embeddings,
        "The vectors of up to 1,000 documents, all of one version, and the ids without one.",
        Role.read,
        EMBEDDINGS,
        accepts={"application/json": EMBEDDINGS_IN},
        problems=(400, 404, 413, 422, 503),
    ),
    Operation(
        "POST",
        "/documents/rerank",
        post_rerank,
        "Order candidate documents by their likeness to a query.",
        Role.read,
        RANKING,
        accepts={"application/json": RERANK},
        problems=(400, 404, 413, 422, 503),
    ),
    Operation(
        "GET",
        "/documents/coverage",
        get_coverage,
        "How much of the collection has a fresh vector, and how old the oldest stale change is.",
        Role.read,
        COVERAGE,
        problems=(404, 503),
        alone=True,
    ),
    Operation(
        "GET",
        "/documents/failures",
        get_failures,
        "Documents that could not be embedded, and why.",
        Role.read,
        FAILURES,
        query={
            "limit": f"at most this many, up to {MAX_IDS}",
            "cursor": "next_cursor of a page",
        },
        problems=(404, 422, 503),
    ),
)
