"""Documents: begin a run, read vectors, see what is covered and what failed."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from actors.runs import send_run
from routes.api.runs import STARTED, RunStarted
from routes.http.operations import Operation, json_body, reply
from routes.http.parameters import encode_cursor, path_id, query_cursor, query_limit
from workers.core.api_keys import Role
from workers.core.vocabulary import Id
from workers.documents.coverage import Coverage, measure_coverage
from workers.documents.failures import FailedDocument, list_failures
from workers.documents.plan import begin_documents_run
from workers.documents.read import StoredVector, describe, read_vector, read_vectors
from workers.documents.source import check_source
from workers.documents.versions import active_version
from workers.jobs.runs import RunKind

MAX_IDS = 1000
MAX_RUN_IDS = 10_000
DEFAULT_FAILURES = 50


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


class FailuresOut(BaseModel):
    """Failed documents of the active version by id; `next_cursor` is null at the end."""

    failures: list[FailedDocument]
    next_cursor: str | None


PRECOMPUTE: TypeAdapter[ModeIn | NamedIn] = TypeAdapter(ModeIn | NamedIn)
EMBEDDINGS_IN = TypeAdapter(EmbeddingsIn)
EMBEDDINGS = TypeAdapter(EmbeddingsOut)
EMBEDDING = TypeAdapter(StoredVector)
COVERAGE = TypeAdapter(Coverage)
FAILURES = TypeAdapter(FailuresOut)

DOC_ID = path_id("doc_id")
LIMIT = query_limit(MAX_IDS, DEFAULT_FAILURES)
CURSOR = query_cursor(str)


def post_precompute(request: Request) -> Response:
    """Begin a run over documents."""
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


def get_embedding(doc_id: str) -> Response:
    """Read one document's vector in the active version."""
    return reply(EMBEDDING, read_vector(doc_id))


def post_embeddings(request: Request) -> Response:
    """Read many documents' vectors in one round trip."""
    wanted = json_body(request, EMBEDDINGS_IN)
    found = read_vectors([*dict.fromkeys(wanted.doc_ids)])
    body = EmbeddingsOut(
        version=found.version,
        embeddings={vector.doc_id: vector for vector in describe(found)},
        missing=found.missing,
    )
    return reply(EMBEDDINGS, body)


def get_coverage() -> Response:
    """Measure how much of the collection the store reflects."""
    return reply(COVERAGE, measure_coverage())


def get_failures(
    limit: int,
    cursor: tuple[str | None],
) -> Response:
    """List a page of failed documents."""
    (after,) = cursor
    failures = list_failures(active_version().version, limit, after or "")
    following = encode_cursor(failures[-1].doc_id) if len(failures) == limit else None
    return reply(FAILURES, FailuresOut(failures=failures, next_cursor=following))


OPERATIONS = (
    Operation(
        method="POST",
        path="/documents/precompute",
        handler=post_precompute,
        summary="Begin a run over the documents: all, incremental, stale, cleanup, or those named.",
        role=Role.write,
        accepts={"application/json": PRECOMPUTE},
        answers=STARTED,
        status=202,
        problems=(
            409,
            503,
        ),
        audited=True,
    ),
    Operation(
        method="GET",
        path="/documents/{doc_id}/embedding",
        handler=get_embedding,
        parameters=(DOC_ID,),
        summary="A document's vector, whatever the codec it is stored with.",
        role=Role.read,
        answers=EMBEDDING,
        problems=(
            404,
            503,
        ),
    ),
    Operation(
        method="POST",
        path="/documents/embeddings",
        handler=post_embeddings,
        summary="Vectors of up to 1,000 documents, all of one version, and the ids without one.",
        role=Role.read,
        accepts={"application/json": EMBEDDINGS_IN},
        answers=EMBEDDINGS,
        problems=(
            404,
            503,
        ),
    ),
    Operation(
        method="GET",
        path="/documents/coverage",
        handler=get_coverage,
        summary="How much of the collection has a fresh vector; age of the oldest stale change.",
        role=Role.read,
        answers=COVERAGE,
        problems=(
            404,
            503,
        ),
        alone=True,
    ),
    Operation(
        method="GET",
        path="/documents/failures",
        handler=get_failures,
        parameters=(LIMIT, CURSOR),
        summary="Documents that could not be embedded, and why.",
        role=Role.read,
        answers=FAILURES,
        problems=(
            404,
            503,
        ),
    ),
)
