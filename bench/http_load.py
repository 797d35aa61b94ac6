"""A client that costs little: prepared requests over keep-alive connections, on uvloop.

What a request takes is measured to the last byte of its answer: from the write of its bytes, by
connections that always have one request under way, or with a rate from the moment when it was due,
so that a request which had to wait for the one before it has taken longer.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import numpy as np
import uvloop


@dataclass(frozen=True)
class Load:
    """What came of it: requests per second and latencies in ms; `statuses` counts answers."""

    per_second: float
    p50_ms: float
    p99_ms: float
    statuses: dict[int, int]


@dataclass
class _Tally:
    latencies_s: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)


def request(
    method: str,
    path: str,
    body: bytes = b"",
    content_type: str = "application/json",
    key: str | None = None,
) -> bytes:
    """The bytes of a request, with an API key if one is given."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        + (f"Authorization: Bearer {key}\r\n" if key else "")
        + f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run_load(
    port: int,
    requests: Iterator[bytes],
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
) -> Load:
    """Send requests over so many connections for a while, the first fifth of it to warm up.

    `rate` is requests per second of all connections together; without one each sends its next
    request as soon as the last one is answered.
    """
    return uvloop.run(_run(port, requests, connections, seconds, rate))


async def _run(
    port: int, requests: Iterator[bytes], connections: int, seconds: float, rate: float | None
) -> Load:
    loop = asyncio.get_running_loop()
    tally, ended = _Tally(), asyncio.Event()
    period_s = connections / rate if rate else 0.0
    clients = []
    for place in range(connections):
        due_at = time.perf_counter() + 0.1 + place * period_s / connections
        connecting = partial(_Client, requests, tally, ended, period_s, due_at)
        clients.append((await loop.create_connection(connecting, "127.0.0.1", port))[1])
    await asyncio.sleep(seconds / 5)
    tally.latencies_s.clear()
    tally.statuses.clear()
    started = time.perf_counter()
    await asyncio.wait({asyncio.create_task(ended.wait())}, timeout=seconds * 4 / 5)
    elapsed = time.perf_counter() - started
    found = np.array(tally.latencies_s) * 1000
    for client in clients:
        client.close()
    p50, p99 = np.percentile(found, [50, 99])
    return Load(len(found) / elapsed, float(p50), float(p99), dict(tally.statuses))


class _Client(asyncio.Protocol):
    """One connection; it reads only what it needs of an answer: the status and the length."""

    def __init__(
        self,
        requests: Iterator[bytes],
        tally: _Tally,
        ended: asyncio.Event,
        period_s: float,
        due_at: float,
    ) -> None:
        self.due_at = due_at
        self._requests = requests
        self._tally = tally
        self._ended = ended
        self._period_s = period_s
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(rest) < length:
            return
        status = int(self._buffer[9:12])
        self._buffer = rest[length:]
        self._tally.latencies_s.append(time.perf_counter() - self.due_at)
        self._tally.statuses[status] = self._tally.statuses.get(status, 0) + 1
        self.due_at += self._period_s
        self._next()

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()

    def _next(self) -> None:
        wait_s = self.due_at - time.perf_counter()
        if self._period_s and wait_s > 0:
            self._loop.call_later(wait_s, self._send)
        else:
            self._send()

    def _send(self) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        body = next(self._requests, None)
        if body is None:
            self._ended.set()
            return
        if not self._period_s:
            self.due_at = time.perf_counter()
        self._transport.write(body)
