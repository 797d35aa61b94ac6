"""Where handlers of the API run: they are plain functions, and wait for stores.

Quick reads share a few threads. Sixteen at once answer no more of them: each waits for the
interpreter in the middle of its work, and the slowest for all the others. Everything else needs
many: events that arrive together are committed together, and all of them wait for that. How the
process is can be asked of threads that nobody else holds up.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from http import HTTPStatus
from weakref import WeakKeyDictionary

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from routes.problems import Problem
from workers.settings import settings

Handle = Callable[[Request], Response]

OPEN = 4
# As long as a handler waits for a connection to Postgres.
QUICK_WAIT_S = 5.0

_open = ThreadPoolExecutor(OPEN, thread_name_prefix="open")


@dataclass(frozen=True)
class _Quick:
    """Threads for quick reads, and how many of them are free."""

    threads: ThreadPoolExecutor
    free: asyncio.Semaphore


# Tests run more than one event loop.
_quick: WeakKeyDictionary[asyncio.AbstractEventLoop, _Quick] = WeakKeyDictionary()


def quick_threads() -> int:
    """As many as the pool has connections, but two for everything else."""
    return settings().postgres_pool_size - 2


async def run_any(handle: Handle, request: Request) -> Response:
    """Handle a request in one of Starlette's forty threads.

    Not of an executor like the others': with forty threads of one, 100 connections got 970 events a
    second accepted, where they get 1,700 (bench/events.py).
    """
    return await run_in_threadpool(handle, request)


async def run_open(handle: Handle, request: Request) -> Response:
    """Handle what anybody may ask: whether the process lives, and whether it is ready."""
    return await _run(_open, handle, request)


async def run_quick(handle: Handle, request: Request) -> Response:
    """Handle a request in one of a few threads, first come, first served.

    Raises:
        Problem: 503, none was free for five seconds: Postgres does not answer.
    """
    quick = _quick_here()
    if quick.free.locked():
        try:
            async with asyncio.timeout(QUICK_WAIT_S):
                await quick.free.acquire()
        except TimeoutError:
            detail = "too many reads wait for Postgres; try again"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail) from None
    else:
        await quick.free.acquire()
    try:
        return await _run(quick.threads, handle, request)
    finally:
        quick.free.release()


def _quick_here() -> _Quick:
    loop = asyncio.get_running_loop()
    found = _quick.get(loop)
    if found is None:
        threads = ThreadPoolExecutor(quick_threads(), thread_name_prefix="quick")
        found = _quick[loop] = _Quick(threads, asyncio.Semaphore(quick_threads()))
    return found


async def _run(threads: ThreadPoolExecutor, handle: Handle, request: Request) -> Response:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(threads, copy_context().run, handle, request)
