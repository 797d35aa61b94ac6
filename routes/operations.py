"""One table entry per operation: its route, the key role it needs and its OpenAPI are one thing."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import unquote

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from routes.problems import Problem, invalid
from workers.api_keys import Role, find_key
from workers.events import Id
from workers.settings import settings

T = TypeVar("T")
ID: TypeAdapter[str] = TypeAdapter(Id)

CURL_MEDIA_TYPE = "application/x-www-form-urlencoded"

# Open without a key: liveness, readiness, the docs.
OPEN = None


@dataclass(frozen=True)
class Operation:
    """What can be asked of Kinfold over HTTP.

    `accepts` maps the media types of a request body to what it holds: a type adapter, or None
    for text that is no JSON. `query` maps parameter names to their descriptions. `answers` is
    what a success holds, None for text; answers with one of the statuses `alike` hold the same.
    """

    method: str
    path: str
    handler: Callable[[Request], Response]
    summary: str
    role: Role | None
    answers: TypeAdapter[Any] | None = None
    status: int = 200
    accepts: Mapping[str, TypeAdapter[Any] | None] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    alike: tuple[int, ...] = ()

    def route(self) -> Route:
        """The Starlette route, guarded by the key check."""

        def guarded(request: Request) -> Response:
            authorize(request, self.role)
            check_media_type(request, self.accepts)
            return self.handler(request)

        return Route(self.path, guarded, methods=[self.method], name=self.handler.__name__)


def authorize(request: Request, role: Role | None) -> None:
    """Let the request through if its key has the role.

    Raises:
        Problem: 401 without a known key, 403 with one of a lower role. Without configured keys,
            which only development allows, 403 for callers from other machines.
    """
    if role is None:
        return
    keys = settings().api_keys
    if not keys:
        if request.client is None or not _is_loopback(request.client.host):
            raise Problem(403, "without API_KEYS only this machine may call")
        return
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    key = find_key(keys, presented.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise Problem(401, "a known key is needed: Authorization: Bearer KEY")
    if key.role < role:
        raise Problem(403, f"this needs a key with the role {role.name}")


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
        raise Problem(
            422, "1 invalid value", [{"loc": [name], "msg": "must be a whole number from 1 on"}]
        )
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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
