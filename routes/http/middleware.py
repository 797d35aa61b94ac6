"""What every request passes: its id, its encoded path, and its body within bounds."""

import random
import re
import time
from uuid import UUID

import structlog
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from routes.http.content_policy import NAME, content_policy
from routes.http.problems import Problem, answer
from routes.http.secret_paths import path_for_logs
from workers.core.metrics import HTTP_DURATION, HTTP_REQUESTS
from workers.core.settings import settings
from workers.core.tracing import is_tracing, span

BODY_MAX_BYTES = 10 * 1024 * 1024
# A client that is still sending would not see the answer; beyond this it is cut off.
DISCARD_MAX_BYTES = 100 * 1024 * 1024

REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger()


def _new_id() -> str:
    """Not a secret, and so not asked of the system: for that the event loop would let go of the
    interpreter, and wait to get it back.
    """
    return str(UUID(int=random.getrandbits(128), version=4))


class RequestId:
    """Takes or makes X-Request-ID, returns it, and binds it to every log line of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log it once it is answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if REQUEST_ID.fullmatch(given) else _new_id()
        scope["request_id"] = request_id
        started = time.perf_counter()
        status = 500
        # Anybody may send any method, and a label must not have any value.
        method = scope["method"] if scope["method"] in METHODS else "OTHER"

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = (b"x-request-id", request_id.encode())
                message["headers"] = [*message.get("headers", []), own]
            await send(message)

        # A request that was sent ahead of the answer to another begins in the context of that.
        structlog.contextvars.clear_contextvars()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                took_ms = (time.perf_counter() - started) * 1000
                route = getattr(scope.get("route"), "path", "unknown")
                HTTP_REQUESTS.add(1, method=method, route=route, status=str(status))
                HTTP_DURATION.observe(took_ms, method=method, route=route)
                log.info(
                    "request",
                    method=scope["method"],
                    path=path_for_logs(scope),
                    status=status,
                    duration_ms=round(took_ms, 1),
                    **({"key": scope["caller"].name} if "caller" in scope else {}),
                )


class Trace:
    """One span per request, in the caller's trace if the request names one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Trace a request; the span gets the name of its route at the end, when that is known."""
        if scope["type"] != "http" or not is_tracing():
            await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]
        }
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        request_id = scope["request_id"]
        with span(method, SpanKind.SERVER, headers, {"request_id": request_id}) as begun:

            async def send_with_status(message: Message) -> None:
                if message["type"] == "http.response.start":
                    begun.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self.app(scope, receive, send_with_status)
            begun.update_name(f"{method} {getattr(scope.get('route'), 'path', 'unknown')}")


class SecurityHeaders:
    """Nothing is loaded from elsewhere, framed, or taken for what it is not.

    A page that shows covers says itself where these may come from.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        headers = {
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }
        self.headers = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
        self.policy = (NAME.lower().encode(), content_policy().encode())
        self.https_only = (b"strict-transport-security", b"max-age=31536000")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to every answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                more = self.headers
                if not any(name == self.policy[0] for name, _ in given):
                    more = [*more, self.policy]
                if settings().kinfold_env == "production":
                    more = [*more, self.https_only]
                message["headers"] = [*given, *more]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class EncodedPath:
    """Routes by the path as it was sent, because ids may contain an encoded "/"."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route by the raw path; parameters decode their ids themselves."""
        if scope["type"] == "http":
            scope["path"] = scope["raw_path"].decode("ascii", "replace")
        await self.app(scope, receive, send)


class BoundedBody:
    """Reads the whole body before the handler runs, which cannot wait for it; 413 if too large."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body into `request.state.body`, and pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        chunks: list[bytes] = []
        size, more = 0, True
        while more and size <= DISCARD_MAX_BYTES:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message.get("body", b""))
            if size <= BODY_MAX_BYTES:
                chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
        if size > BODY_MAX_BYTES:
            detail = f"the body is larger than {BODY_MAX_BYTES // 1024 // 1024} MB"
            await answer(Request(scope), Problem(413, detail))(scope, receive, send)
            return
        scope.setdefault("state", {})["body"] = b"".join(chunks)
        await self.app(scope, receive, send)
