"""A provider on this machine: OpenAI's embeddings API over real HTTP, with faults on demand.

In a test use the fixture `embeddings_server`. Beside a running stack:

    python -m tests.embeddings_server --port 8900 [--delay 0.05]

and set OPENAI_BASE_URL=http://127.0.0.1:8900/v1. `POST /faults` with a list of `Fault` fields
plans the next answers; `GET /counts` tells how many requests and inputs there have been.
"""

import argparse
import base64
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

DEFAULT_DIMENSIONS = 1536
FaultKind = Literal["status", "hang", "drop", "html", "wrong_dimension", "nan", "wrong_count"]


@dataclass(frozen=True)
class Fault:
    """What is wrong with one answer.

    `status` answers with `code` (and `retry_after`), `hang` waits `seconds` before the right
    answer, `drop` closes the connection, `html` is a page of a proxy; the others are answers
    whose vectors are wrong: the last one too short, not a number, or missing.
    """

    kind: FaultKind
    code: int = 500
    retry_after: str | None = None
    seconds: float = 0.0


def vector_of(text: str, dimensions: int) -> NDArray[np.float32]:
    """The unit vector that the server gives for a text, seeded by its hash."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).standard_normal(dimensions)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@dataclass
class EmbeddingsServer:
    """What the server at `url` has been asked, and what it is to do about it.

    `requests` holds the inputs of every request in order, also of those that were answered with
    a fault. A request with a text that contains one of `refused` is answered with 400 and
    `refusal`, one of `breaking` with 500. `api_key` is the only one accepted, if it is set.
    `before_answer` is called with the inputs of each request before its answer is sent.
    """

    url: str
    requests: list[list[str]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    refused: set[str] = field(default_factory=set)
    refusal: str = "the input was refused by the content filter"
    breaking: set[str] = field(default_factory=set)
    api_key: str | None = None
    before_answer: Callable[[list[str]], object] | None = None
    stopped: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def inputs(self) -> list[str]:
        """All texts of all requests."""
        return [text for texts in self.requests for text in texts]

    def fail_next(self, fault: Fault, times: int = 1) -> None:
        """Plan a fault for the next answers, after those that are planned already."""
        self.faults.extend([fault] * times)

    def note(self, body: dict[str, Any]) -> tuple[list[str], Fault | None]:
        """Count a request; its texts and the fault planned for it."""
        texts = [body["input"]] if isinstance(body["input"], str) else list(body["input"])
        with self.lock:
            self.requests.append(texts)
            self.bodies.append(body)
            return texts, self.faults.popleft() if self.faults else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: EmbeddingsServer

    def do_GET(self) -> None:
        """The counts."""
        counts = {"requests": len(self.state.requests), "inputs": len(self.state.inputs)}
        self._answer(200, counts)

    def do_POST(self) -> None:
        """Vectors, or a planned fault."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/faults":
            self.state.faults.extend(Fault(**fault) for fault in body)
            self._answer(200, {"planned": len(self.state.faults)})
        elif self.path == "/v1/embeddings":
            texts, fault = self.state.note(body)
            if self.state.before_answer is not None:
                self.state.before_answer(texts)
            self._embed(body, texts, fault)
        else:
            self._refuse(404, f"no such path: {self.path}")

    def _embed(self, body: dict[str, Any], texts: list[str], fault: Fault | None) -> None:
        key = self.state.api_key
        if key is not None and self.headers["authorization"] != f"Bearer {key}":
            self._refuse(401, "Incorrect API key provided")
        elif any(mark in text for mark in self.state.refused for text in texts):
            self._refuse(400, self.state.refusal)
        elif any(mark in text for mark in self.state.breaking for text in texts):
            self._refuse(500, "internal error")
        elif fault is not None and fault.kind == "status":
            self._refuse(fault.code, "planned fault", fault.retry_after)
        elif fault is not None and fault.kind == "drop":
            self.close_connection = True
        elif fault is not None and fault.kind == "html":
            self._answer(200, "<h1>Welcome to the proxy</h1>", content_type="text/html")
        else:
            if fault is not None and fault.kind == "hang":
                self.state.stopped.wait(fault.seconds)
            self._answer(200, self._vectors(body, texts, fault))

    def _vectors(
        self, body: dict[str, Any], texts: list[str], fault: Fault | None
    ) -> dict[str, Any]:
        dimensions = body.get("dimensions", DEFAULT_DIMENSIONS)
        vectors = [vector_of(text, dimensions) for text in texts]
        if fault is not None and fault.kind == "wrong_dimension":
            vectors[-1] = vectors[-1][:-1]
        if fault is not None and fault.kind == "nan":
            vectors[-1][0] = np.nan
        if fault is not None and fault.kind == "wrong_count":
            vectors.pop()
        as_text = body.get("encoding_format") == "base64"
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(vector.tobytes()).decode()
                if as_text
                else vector.tolist(),
            }
            for index, vector in enumerate(vectors)
        ]
        tokens = sum(len(text.split()) for text in texts)
        return {
            "object": "list",
            # A client goes by `index`, not by the order.
            "data": data[::-1],
            "model": body["model"],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }

    def _refuse(self, code: int, message: str, retry_after: str | None = None) -> None:
        headers = {} if retry_after is None else {"retry-after": retry_after}
        self._answer(code, {"error": {"message": message, "type": "planned"}}, headers=headers)

    def _answer(
        self,
        code: int,
        body: object,
        *,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        try:
            self.send_response(code)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(data)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # the client lost its patience

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its base's name
        """Say nothing."""


@contextmanager
def serving_embeddings(port: int = 0) -> Iterator[EmbeddingsServer]:
    """The server on a loopback port, by default a free one, until the block ends."""
    state = EmbeddingsServer(url="")
    handler = type("Handler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            state.stopped.set()
            server.shutdown()
            thread.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0, help="seconds before each answer")
    arguments = parser.parse_args()
    with serving_embeddings(arguments.port) as running:
        running.before_answer = lambda _: time.sleep(arguments.delay)
        print(running.url, flush=True)  # says where it is
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
