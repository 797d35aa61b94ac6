"""One table entry per operation: its route, the key role it needs and its OpenAPI are one thing."""

import base64
import inspect
import json
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import unquote

from pydantic import StringConstraints, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from routes.http.access import authorize, caller_of
from routes.http.problems import Problem, answer_to, invalid, is_defect
from routes.http.threads import run_any, run_open
from workers.core.api_keys import Role
from workers.core.vocabulary import Id
from workers.jobs.audit import begin_act, end_act

# Of a process, which has few connections.
_measuring = threading.Lock()

T = TypeVar("T")
Later = Coroutine[Any, Any, Response]
ID: TypeAdapter[str] = TypeAdapter(Id)
# With room for a page beyond it in what Redis and Postgres take for a number.
MAX_PLACE = 2**62

CURL_MEDIA_TYPE = "application/x-www-form-urlencoded"

# Open without a key: liveness, readiness, the docs.
OPEN = None

# Text in a query. Postgres holds no zero bytes.
QueryText = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
QUERY_TEXT: TypeAdapter[str] = TypeAdapter(QueryText)

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True)
class Operation:
    """What can be asked of Kinfold over HTTP.

    `accepts` maps the media types of a request body to what it holds: a type adapter, or None
    for text that is no JSON. `query` maps parameter names to their descriptions; those `needed`
    must be there. `answers` is what a success holds, None for text; answers with one of the
    statuses `alike` hold the same. What is `audited` is recorded with the name of the key. One
    request at a time is answered of all that is done `alone`, because it costs much. A handler that
    is a coroutine function runs on the event loop, and must not hold it up.
    """

    method: str
    path: str
    handler: Callable[[Request], Response | Later]
    summary: str
    role: Role | None
    answers: TypeAdapter[Any] | None = None
    status: int = 200
    accepts: Mapping[str, TypeAdapter[Any] | None] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    problems: tuple[int, ...] = ()
    alike: tuple[int, ...] = ()
    audited: bool = False
    alone: bool = False

    def __post_init__(self) -> None:
        """What a thread is needed for is not promised of a handler on the event loop."""
        if inspect.iscoroutinefunction(self.handler) and (self.audited or self.alone):
            raise ValueError(f"{self.handler.__name__} must not be a coroutine function")

    def route(self) -> Route:
        """The Starlette route, guarded by the key check."""
        return Route(self.path, self._endpoint(), methods=[self.method], name=self.handler.__name__)

    def _endpoint(self) -> Callable[[Request], Later]:
        def guarded(request: Request) -> Response:
            self._admit(request)
            return self.act(request)

        async def in_thread(request: Request) -> Response:
            run = run_open if self.role is OPEN else run_any
            return await run(guarded, request)

        async def here(request: Request) -> Response:
            self._admit(request)
            return await cast(Later, self.handler(request))

        return here if inspect.iscoroutinefunction(self.handler) else in_thread

    def _admit(self, request: Request) -> None:
        authorize(request, self.role)
        check_media_type(request, self.accepts)

    def act(self, request: Request) -> Response:
        """Handle a request that may be handled, in a thread.

        Raises:
            Problem: 429, another one is being answered of what is done alone.
        """
        if self.alone:
            if not _measuring.acquire(blocking=False):
                raise Problem(429, "this is being measured for somebody else; ask again")
            try:
                return self._handle(request)
            finally:
                _measuring.release()
        if self.audited:
            return audited(request, f"{self.method} {self.path}", self._handle)
        return self._handle(request)

    def _handle(self, request: Request) -> Response:
        return cast(Response, self.handler(request))


def audited(request: Request, action: str, act: Callable[[Request], Response]) -> Response:
    """Do what a person asks for, with a record of it that is written first."""
    act_id = begin_act(
        key_name=caller_of(request).name,
        action=action,
        target=request.url.path,
        body=request.state.body.decode(errors="replace"),
        request_id=request.scope["request_id"],
    )
    try:
        response, said = act(request), None
    except Exception as error:
        if is_defect(error):
            end_act(act_id, HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
            raise
        response, said = answer_to(request, error), str(error)
    end_act(act_id, response.status_code, said)
    return response


def media_type(request: Request) -> str:
    """What the body is said to be, in lower case and without parameters; empty if it is not."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_media_type(request: Request, accepted: Collection[str]) -> None:
    """Let a body through that is said to be of an accepted type.

    Raises:
        Problem: 415, it is said to be something else. Nothing said, and what curl says of its own
            accord, are fine.
    """
    given = media_type(request)
    if accepted and given not in {"", CURL_MEDIA_TYPE, *accepted}:
        raise Problem(415, f"the body must be {' or '.join(accepted)}")


def path_id(request: Request, name: str) -> str:
    """An id from the path, where it stands URL-encoded.

    Raises:
        Problem: 422, it is not an id.
    """
    try:
        return ID.validate_python(unquote(request.path_params[name], errors="strict"))
    except UnicodeDecodeError:
        raise Problem(422, "not UTF-8", [{"loc": [name], "msg": "not UTF-8"}]) from None
    except ValidationError as error:
        raise invalid(error, name) from None


def query_number(request: Request, name: str, most: int) -> int | None:
    """A whole number from 1 on in the query, cut to `most`; None when it is not given.

    Raises:
        Problem: 422, it is not such a number.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit() and digits):
        raise _wrong(name, "must be a whole number from 1 on")
    return min(int(digits[:9]), most)


def json_body(request: Request, adapter: TypeAdapter[T]) -> T:
    """The request's body as the adapter's type.

    Raises:
        Problem: 400, it is empty or no JSON; 422, it does not fit.
    """
    body: bytes = request.state.body
    if not body.strip():
        raise Problem(400, "the body is empty")
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise Problem(400, f"the body is not JSON: {error.errors()[0]['msg']}") from None
        raise invalid(error) from None


def reply(adapter: TypeAdapter[Any], value: object, status: int = 200) -> Response:
    """A JSON answer of the adapter's type."""
    return Response(adapter.dump_json(value), status, media_type="application/json")


def query_choice(request: Request, name: str, choices: type[Choice]) -> Choice | None:
    """One of an enumeration's values in the query; None when it is not given.

    Raises:
        Problem: 422, it is none of them.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return choices(text)
    except ValueError:
        raise _wrong(name, f"must be one of {', '.join(choices)}") from None


def path_choice(request: Request, name: str, choices: type[Choice]) -> Choice:
    """One of an enumeration's values in the path.

    Raises:
        Problem: 404, it is none of them.
    """
    try:
        return choices(unquote(request.path_params[name]))
    except ValueError:
        detail = f"unknown_{name}: must be one of {', '.join(choices)}"
        raise Problem(404, detail, reason=f"unknown_{name}") from None


def query_text(request: Request, name: str) -> str | None:
    """Text in the query; None when it is not given or empty.

    Raises:
        Problem: 422, it is longer than 200 characters or holds a zero byte.
    """
    try:
        return QUERY_TEXT.validate_python(request.query_params.get(name, "")) or None
    except ValidationError as error:
        raise invalid(error, name) from None


def encode_cursor(*parts: object) -> str:
    """An opaque `next_cursor` that `decode_cursor` reads."""
    return base64.urlsafe_b64encode(json.dumps([str(part) for part in parts]).encode()).decode()


def decode_cursor(request: Request, *types: Callable[[str], Any]) -> tuple[Any, ...]:
    """The parts of the query's cursor; each is None when it is not given.

    Raises:
        Problem: 422, it is not one that this list gave.
    """
    text = request.query_params.get("cursor")
    if not text:
        return (None,) * len(types)
    try:
        parts = json.loads(base64.urlsafe_b64decode(text))
        return tuple(_part(make, part) for make, part in zip(types, parts, strict=True))
    except (ValueError, TypeError):
        raise _wrong("cursor", "not a cursor of this list") from None


def _part(make: Callable[[str], Any], part: object) -> object:
    """What a part of a cursor says, as far as a store can be asked for it."""
    if not isinstance(part, str) or "\0" in part:
        raise ValueError("not a part of a cursor")
    part.encode()
    made = make(part)
    if isinstance(made, int) and not 0 <= made < MAX_PLACE:
        raise ValueError("out of range")
    return made


def _wrong(name: str, message: str) -> Problem:
    return Problem(422, "1 invalid value", [{"loc": [name], "msg": message}])
