"""Where handlers run: they are plain functions, and wait for stores.

Reads share a few threads. Sixteen at once answer no more of them: each waits for the interpreter in
the middle of its work, and the slowest for all the others. Writes need many: those that arrive
together are committed together, and all of them wait for that.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from http import HTTPStatus
from weakref import WeakKeyDictionary

from starlette.requests import Request
from starlette.responses import Response

from routes.problems import Problem
from workers.settings import settings

Handle = Callable[[Request], Response]

WRITES = 40
# As long as a handler waits for a connection to Postgres.
READ_WAIT_S = 5.0

_writing = ThreadPoolExecutor(WRITES, thread_name_prefix="write")


@dataclass(frozen=True)
class _Reading:
    """Threads that read, and how many of them are free."""

    threads: ThreadPoolExecutor
    free: asyncio.Semaphore


# Tests run more than one event loop.
_reading: WeakKeyDictionary[asyncio.AbstractEventLoop, _Reading] = WeakKeyDictionary()


def readers() -> int:
    """How many reads are handled at once: all of the pool's connections but two for the writes."""
    return settings().postgres_pool_size - 2


async def run_write(handle: Handle, request: Request) -> Response:
    """Handle a request in one of many threads."""
    return await _run(_writing, handle, request)


async def run_read(handle: Handle, request: Request) -> Response:
    """Handle a request in one of a few threads, first come, first served.

    Raises:
        Problem: 503, none was free for five seconds: the stores do not answer.
    """
    reading = _reading_here()
    if reading.free.locked():
        try:
            async with asyncio.timeout(READ_WAIT_S):
                await reading.free.acquire()
        except TimeoutError:
            detail = "too many reads wait for the stores; try again"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail) from None
    else:
        await reading.free.acquire()
    try:
        return await _run(reading.threads, handle, request)
    finally:
        reading.free.release()


def _reading_here() -> _Reading:
    loop = asyncio.get_running_loop()
    found = _reading.get(loop)
    if found is None:
        threads = ThreadPoolExecutor(readers(), thread_name_prefix="read")
        found = _reading[loop] = _Reading(threads, asyncio.Semaphore(readers()))
    return found


async def _run(threads: ThreadPoolExecutor, handle: Handle, request: Request) -> Response:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(threads, copy_context().run, handle, request)
