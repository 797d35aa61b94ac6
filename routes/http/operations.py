"""Operations: one table entry per endpoint, from which its route, OpenAPI, form and docs are made.

An operation is declared beside its handler:

    async def get_neighbors(request: Request, student_id: str, limit: int | None) -> Response: ...

    Operation(
        method="GET",
        path="/students/{student_id}/neighbors",
        handler=get_neighbors,
        parameters=(STUDENT_ID, LIMIT),
        summary="The students most similar to this one.",
        role=Role.read,
        answers=NEIGHBORS,
        problems=(404, 503),
    )
"""

import inspect
import re
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from routes.http.access import authorize, caller_of, must_read_keys
from routes.http.children import check_child, check_child_on_loop
from routes.http.parameters import Parameter, bind
from routes.http.problems import Problem, answer_to, invalid, is_defect
from routes.http.threads import run_any, run_open
from workers.core.api_keys import Role
from workers.core.stored_keys import look
from workers.jobs.audit import begin_act, end_act

# Held by the request that is answered `alone`; of a process, which has few connections.
_measuring = threading.Lock()

T = TypeVar("T")
Later = Coroutine[Any, Any, Response]

CURL_MEDIA_TYPE = "application/x-www-form-urlencoded"

# Open without a key: liveness, readiness, the docs.
OPEN = None


@dataclass(frozen=True, kw_only=True)
class Form:
    """The console's form of an operation (routes/console/forms.py).

    `done` is what a page says afterwards, formatted with the fields of the answer and of the path.
    The fields named in `lists` may be chosen several times; the others are one text each.
    """

    done: str
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An endpoint: what can be asked of Kinfold over HTTP.

    Attributes:
        handler: takes the values of `parameters` by their names, and before them the request if
            it needs it. A coroutine function runs on the event loop, which it must not hold up;
            any other in a thread.
        parameters: those of the path, in its order, and those of the query.
        role: the lowest role whose keys may call; OPEN for everybody.
        also: roles beside those that may call, too. Of a path that names a student a teacher is
            answered for children of their homerooms only, as if there were no others.
        accepts: media types of the request's body, each with what it holds: a type adapter, or
            None for text that is no JSON.
        answers: what a success holds, None for text; `alike` lists other statuses whose answers
            hold the same.
        problems: statuses of the handler's own problems. Those that follow from key, parameters
            and body are in `refusals`.
        form: the console's form of the operation, if it has one.
        audited: whether each call is recorded with the name of its key before it is handled.
        alone: whether a process answers only one such request at a time, because it costs much.
    """

    method: str
    path: str
    handler: Callable[..., Response | Later]
    summary: str
    role: Role | None
    also: tuple[Role, ...] = ()
    parameters: tuple[Parameter[Any], ...] = ()
    accepts: Mapping[str, TypeAdapter[Any] | None] = field(default_factory=dict)
    answers: TypeAdapter[Any] | None = None
    status: int = 200
    alike: tuple[int, ...] = ()
    problems: tuple[int, ...] = ()
    form: Form | None = None
    audited: bool = False
    alone: bool = False

    def __post_init__(self) -> None:
        """Refuse a handler whose signature or whose kind does not fit the operation."""
        self._handle  # noqa: B018  # its arguments are compared with the parameters
        in_path = [each.name for each in self.parameters if each.place == "path"]
        if in_path != re.findall(r"{(\w+)}", self.path):
            raise ValueError(f"{self.name}: {self.path} has other parameters than {in_path}")
        # What a thread is needed for is not promised of a handler on the event loop.
        if inspect.iscoroutinefunction(self.handler) and (self.audited or self.alone):
            raise ValueError(f"{self.name} must not be a coroutine function")

    @property
    def name(self) -> str:
        """The operation's id in OpenAPI and in the route table."""
        return self.handler.__name__

    @property
    def refusals(self) -> tuple[int, ...]:
        """All statuses of problems: of the key, the body, the parameters and the handler."""
        keyed = () if self.role is OPEN else (401, 403, 429)
        bodied = (400, 413, 415, 422) if self.accepts else ()
        refused = (each.refusal for each in self.parameters)
        return tuple(sorted({*keyed, *bodied, *refused, *self.problems}))

    def route(self) -> Route:
        """Make the Starlette route, guarded by the check of the key."""
        return Route(self.path, self._endpoint(), methods=[self.method], name=self.name)

    def admits(self, role: Role) -> bool:
        """Say whether keys of a role may call."""
        return self.role is OPEN or role.includes(self.role) or role in self.also

    def _endpoint(self) -> Callable[[Request], Later]:
        def guarded(request: Request) -> Response:
            if must_read_keys(request, self.role):
                look()
            self._admit(request)
            if self.names_child:
                check_child(request)
            return self.act(request)

        async def in_thread(request: Request) -> Response:
            run = run_open if self.role is OPEN else run_any
            return await run(guarded, request)

        async def on_loop(request: Request) -> Response:
            if must_read_keys(request, self.role):
                await run_in_threadpool(look)
            self._admit(request)
            if self.names_child:
                await check_child_on_loop(request)
            return await cast(Later, self._handle(request))

        return on_loop if inspect.iscoroutinefunction(self.handler) else in_thread

    @property
    def names_child(self) -> bool:
        """Whether teachers may call, and the path names the child that it is about."""
        return Role.teacher in self.also and "{student_id}" in self.path

    def _admit(self, request: Request) -> None:
        authorize(request, self.role, self.also)
        check_media_type(request, self.accepts)

    def act(self, request: Request) -> Response:
        """Handle a request whose caller has the role, in a thread.

        Raises:
            Problem: 429, the process is answering another request of those that are `alone`.
        """
        if self.alone:
            if not _measuring.acquire(blocking=False):
                raise Problem(429, "this is being measured for somebody else; ask again")
            try:
                return self._answer(request)
            finally:
                _measuring.release()
        if self.audited:
            return audited(request, f"{self.method} {self.path}", self._answer)
        return self._answer(request)

    def _answer(self, request: Request) -> Response:
        return cast(Response, self._handle(request))

    @cached_property
    def _handle(self) -> Callable[[Request], Response | Later]:
        return bind(self.handler, self.parameters)


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
    """Read the body's media type, in lower case and without parameters; empty if not given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_media_type(request: Request, accepted: Collection[str]) -> None:
    """Let a body of an accepted type through; none given, and what curl gives unasked, are fine.

    Raises:
        Problem: 415, the body is of another type.
    """
    given = media_type(request)
    if accepted and given not in {"", CURL_MEDIA_TYPE, *accepted}:
        raise Problem(415, f"the body must be {' or '.join(accepted)}")


def json_body(request: Request, adapter: TypeAdapter[T]) -> T:
    """Read the request's body as the adapter's type.

    Raises:
        Problem: 400, the body is empty or no JSON; 422, it does not fit.
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
    """Answer with JSON of the adapter's type."""
    return Response(adapter.dump_json(value), status, media_type="application/json")
