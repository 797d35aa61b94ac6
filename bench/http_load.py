"""A client that costs little: prepared requests over keep-alive connections, on uvloop.

What a request takes is measured from the write of its bytes to the last byte of its answer, by
connections that always have one request under way.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
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
    method: str, path: str, body: bytes = b"", content_type: str = "application/json"
) -> bytes:
    """The bytes of a request."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run_load(port: int, requests: Iterator[bytes], *, connections: int, seconds: float) -> Load:
    """Send requests over so many connections for a while, the first fifth of it to warm up."""
    return uvloop.run(_run(port, requests, connections, seconds))


async def _run(port: int, requests: Iterator[bytes], connections: int, seconds: float) -> Load:
    loop = asyncio.get_running_loop()
    tally, ended = _Tally(), asyncio.Event()
    clients = [_Client(requests, tally, ended) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
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

    def __init__(self, requests: Iterator[bytes], tally: _Tally, ended: asyncio.Event) -> None:
        self._requests = requests
        self._tally = tally
        self._ended = ended
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

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
        self._tally.latencies_s.append(time.perf_counter() - self._sent_at)
        self._tally.statuses[status] = self._tally.statuses.get(status, 0) + 1
        self._send()

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()

    def _send(self) -> None:
        body = next(self._requests, None)
        if body is None:
            self._ended.set()
            return
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(body)
