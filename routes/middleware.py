"""What every request passes: its id, its encoded path, and its body within bounds."""

import re
import time
from uuid import uuid4

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from routes.problems import Problem, answer

BODY_MAX_BYTES = 10 * 1024 * 1024
# A client that is still sending would not see the answer; beyond this it is cut off.
DISCARD_MAX_BYTES = 100 * 1024 * 1024

log = structlog.get_logger()


class RequestId:
    """Takes or makes X-Request-ID, returns it, and binds it to every log line of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Also logs the request once it is answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if re.fullmatch(r"[\x21-\x7e]{1,128}", given) else str(uuid4())
        scope["request_id"] = request_id
        started = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode()),
                ]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    duration_ms=round((time.perf_counter() - started) * 1000, 1),
                )


class EncodedPath:
    """Routes by the path as it was sent, because ids may contain an encoded "/"."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handlers decode the ids themselves."""
        if scope["type"] == "http":
            scope["path"] = scope["raw_path"].decode("ascii", "replace")
        await self.app(scope, receive, send)


class BoundedBody:
    """Reads the whole body before the handler runs, which is a plain function; 413 if too large."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The body is `request.state.body` afterwards."""
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
