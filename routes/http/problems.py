"""Errors as application/problem+json (RFC 9457): a clear status, never a stack trace."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

import psycopg
import psycopg_pool
import redis
import structlog
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from routes.http.secret_paths import path_for_logs
from workers.core.errors import (
    CsvFormatError,
    InvalidEmbeddingError,
    KeyNameTakenError,
    ProviderError,
    ProviderRefusedError,
    ReadingListError,
    RunActiveError,
    RunStoppedError,
    SourceError,
    UnknownKeyError,
    VersionStateError,
)
from workers.core.outages import outage_of
from workers.core.reasons import reason_of

log = structlog.get_logger()

# Errors that an answer lists; a body of 10 MB may have a million of them.
REPORTED_ERRORS = 100


class Problem(Exception):
    """Ends a request with this answer. `extra` members stand beside the standard ones."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[Mapping[str, object]] = (),
        **extra: object,
    ) -> None:
        super().__init__(detail)
        self.status = int(status)
        self.detail = detail
        self.errors = errors
        self.extra = extra


def answer(request: Request, problem: Problem) -> Response:
    """Make the response of a problem."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request.scope.get("request_id"),
        **problem.extra,
    }
    if problem.errors:
        body["errors"] = list(problem.errors)
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")


def invalid(error: ValidationError, *prefix: str | int) -> Problem:
    """Make the 422 for input that does not fit its model; the input itself is not repeated."""
    errors = [
        {"loc": [*prefix, *problem["loc"]], "msg": problem["msg"]}
        for problem in error.errors(include_input=False, include_url=False, include_context=False)
    ]
    detail = f"{len(errors)} invalid value{'s' if len(errors) > 1 else ''}"
    return Problem(422, detail, errors[:REPORTED_ERRORS])


def on_problem(request: Request, error: Exception) -> Response:
    """Answer the problem that a handler raised."""
    assert isinstance(error, Problem)
    return answer(request, error)


def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette refused: no such route, or not with this method."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return answer(request, Problem(404, error.detail, reason="unknown_path"))
    response = answer(request, Problem(error.status_code, error.detail))
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(_methods_of(request)))
    return response


def _methods_of(request: Request) -> set[str]:
    """Find the methods that a path takes: each has a route of its own, and one alone refused."""
    return {
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }


def on_unknown_key(request: Request, error: Exception) -> Response:
    """Answer 404 to a read of something that is not stored."""
    assert isinstance(error, UnknownKeyError)
    return answer(request, Problem(404, str(error), reason=error.reason))


def on_key_name_taken(request: Request, error: Exception) -> Response:
    """Answer 409 where an API key of this name is there already."""
    assert isinstance(error, KeyNameTakenError)
    return answer(request, Problem(409, str(error), reason="key_name_taken"))


def on_run_active(request: Request, error: Exception) -> Response:
    """Answer 409 where a run of this kind is active already."""
    assert isinstance(error, RunActiveError)
    return answer(request, Problem(409, str(error), run_id=str(error.run_id)))


def on_run_stopped(request: Request, error: Exception) -> Response:
    """Answer 409 where the run has ended already."""
    assert isinstance(error, RunStoppedError)
    return answer(request, Problem(409, str(error), reason=error.reason))


def on_source(request: Request, error: Exception) -> Response:
    """Answer 503 where MongoDB, the source of the documents, cannot be read."""
    assert isinstance(error, SourceError)
    log.error("source_down", reason=error.reason, error=str(error))
    # What MongoDB says may name hosts; what is said of our own settings helps.
    ours = error.reason in ("mongo_not_configured", "mongo_collection_missing")
    detail = str(error) if ours else "MongoDB cannot be read; try again later"
    return answer(request, Problem(503, detail, reason=error.reason))


def on_version_state(request: Request, error: Exception) -> Response:
    """Answer 409 where a version of the documents' vectors cannot be switched to."""
    assert isinstance(error, VersionStateError)
    return answer(request, Problem(409, str(error), reason=error.reason))


def on_provider(request: Request, error: Exception) -> Response:
    """Answer 422 or 503 where the provider gave no vector for a text of the request."""
    assert isinstance(error, ProviderError)
    log.error("provider_failed", error=str(error))
    if isinstance(error, ProviderRefusedError | InvalidEmbeddingError):
        return answer(request, Problem(422, "this text cannot be embedded", reason="no_embedding"))
    return answer(request, Problem(503, "the embeddings provider is down; try again later"))


def on_csv_format(request: Request, error: Exception) -> Response:
    """Answer 422 to an uploaded file that is not the expected table at all."""
    assert isinstance(error, CsvFormatError)
    where: dict[str, object] = {"line": 1, "column": error.column, "message": str(error)}
    errors = [{"loc": ["header", *filter(None, [error.column])], "msg": str(error), **where}]
    return answer(request, Problem(422, str(error), errors))


def on_reading_list(request: Request, error: Exception) -> Response:
    """Answer 422 to a reader's list that cannot be read."""
    assert isinstance(error, ReadingListError)
    return answer(request, Problem(422, str(error), reason="unreadable_list"))


def on_store_down(request: Request, error: Exception) -> Response:
    """Answer what a store did not do: it is down or full, or it gave this statement up."""
    outage = outage_of(error)
    if outage is not None:
        log.error("store_down", error=reason_of(error))
        return answer(request, Problem(503, f"{outage}; try again later"))
    # A deadlock or a cancelled statement, for one: nothing of it is stored.
    log.error("store_failed", error=reason_of(error))
    name = "Redis" if isinstance(error, redis.RedisError) else "Postgres"
    return answer(request, Problem(503, f"{name} did not finish this; send it again"))


def on_unexpected(request: Request, error: Exception) -> Response:
    """Log a defect of ours in full; its caller learns nothing of it."""
    log.error("request_failed", path=path_for_logs(request.scope), exc_info=error)
    response = answer(request, Problem(500, "internal error"))
    # Starlette sends this answer past the middleware that adds the header to all others.
    response.headers["X-Request-ID"] = request.scope["request_id"]
    return response


HANDLERS = {
    Problem: on_problem,
    HTTPException: on_http_exception,
    UnknownKeyError: on_unknown_key,
    KeyNameTakenError: on_key_name_taken,
    RunActiveError: on_run_active,
    RunStoppedError: on_run_stopped,
    CsvFormatError: on_csv_format,
    ReadingListError: on_reading_list,
    SourceError: on_source,
    VersionStateError: on_version_state,
    ProviderError: on_provider,
    psycopg.OperationalError: on_store_down,
    psycopg_pool.PoolTimeout: on_store_down,
    redis.RedisError: on_store_down,
    Exception: on_unexpected,
}


def answer_to(request: Request, error: Exception) -> Response:
    """Answer an error; a defect is logged."""
    return _handler_of(error)(request, error)


def answered(request: Request, act: Callable[[Request], Response]) -> Response:
    """Let somebody act, and answer whatever it raises as the API does."""
    try:
        return act(request)
    except Exception as error:  # noqa: BLE001  # each kind has its handler, and a defect is logged
        return answer_to(request, error)


def is_defect(error: Exception) -> bool:
    """Say whether nobody has foreseen an error."""
    return _handler_of(error) is on_unexpected


def _handler_of(error: Exception) -> Callable[[Request, Exception], Response]:
    return next(HANDLERS[kind] for kind in type(error).__mro__ if kind in HANDLERS)
