"""A chat model on this machine: OpenAI's chat completions over real HTTP, right or as bad as asked.

In a test use the fixture `chat_server`.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Item = dict[str, Any]


def plain_words(item: Item) -> Item:
    """Words that say nothing but what the facts say."""
    blurb = f"A book about {item['genres'][0]}." if item["description"] else None
    return {"n": item["n"], "reason": f"Because {item['why'][0]}.", "blurb": blurb}


def as_json(items: list[Item]) -> str:
    """What a model writes that does as it is told."""
    return json.dumps({"items": [plain_words(item) for item in items]})


@dataclass
class ChatServer:
    """What the server at `url` was asked, and how it answers.

    `write` makes the text of an answer out of the books it was asked about. `status` other than
    200 answers with that, `body` (bytes) with that instead of the protocol's JSON, `drops` closes
    the connection. While `released` is not set, answers wait.
    """

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    write: Callable[[list[Item]], object] = as_json
    status: int = 200
    retry_after: str | None = None
    body: bytes | None = None
    drops: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def asked(self) -> list[list[Item]]:
        """The books of each question."""
        return [json.loads(body["messages"][1]["content"]) for body in self.bodies]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: ChatServer

    def do_POST(self) -> None:
        """Answer, or fail as asked."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.state.bodies.append(body)
        self.state.keys.append(self.headers["authorization"])
        self.state.released.wait(60)
        if self.state.drops:
            self.close_connection = True
            return
        data = self.state.body
        if data is None:
            content = self.state.write(json.loads(body["messages"][1]["content"]))
            message = {"role": "assistant", "content": content}
            data = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()
        try:
            self.send_response(self.state.status if self.path == "/v1/chat/completions" else 404)
            if self.state.retry_after is not None:
                self.send_header("retry-after", self.state.retry_after)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:
            self.close_connection = True  # the client lost its patience

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its base's name
        """Say nothing."""


@contextmanager
def serving_chat() -> Iterator[ChatServer]:
    """The server on a free loopback port until the block ends."""
    state = ChatServer(url="")
    state.released.set()
    handler = type("Handler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            state.released.set()
            server.shutdown()
            thread.join()
