"""Threads for handlers that are plain functions, and wait for stores.

Most share Starlette's. How the process is can be asked of threads that nobody else holds up, and
what computes for milliseconds has few.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from psycopg_pool import PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from routes.http.problems import Problem
from workers.core.process import per_process, until_exit

Asked = ParamSpec("Asked")
T = TypeVar("T")
Handle = Callable[[Request], Response]

# Of each open path: who asks whether the process is ready waits for Postgres, and who asks whether
# it lives must not wait for that.
OPEN = 2
# Some wait for Postgres or for what a model writes while one computes; more would only take the
# interpreter from each other.
COMPUTING = 8
# Seconds for an answer, its turn included.
ANSWER_S = 5.0


@per_process
def _threads_of(path: str) -> ThreadPoolExecutor:  # noqa: ARG001  # each path has its own
    return until_exit(ThreadPoolExecutor(OPEN, thread_name_prefix="open"))


@per_process
def _computing() -> ThreadPoolExecutor:
    return until_exit(ThreadPoolExecutor(COMPUTING, thread_name_prefix="computing"))


@per_process
def _computing_since() -> dict[object, float]:
    """Keep when each answer that is being computed began, by the monotonic clock."""
    return {}


async def compute(answer: Callable[Asked, T], *arguments: Asked.args, **named: Asked.kwargs) -> T:
    """Answer a request that computes for milliseconds, and asks Postgres in between.

    Raises:
        PoolTimeout: it has been computed for five seconds, or nobody before it was done in that
            time: Postgres does not answer.
        Problem: 503, it had to wait for others, who go on.
    """
    loop, began = asyncio.get_running_loop(), _computing_since()
    work = partial(copy_context().run, answer, *arguments, **named)
    this = object()

    def timed() -> T:
        began[this] = time.monotonic()
        try:
            return work()
        finally:
            del began[this]

    try:
        async with asyncio.timeout(ANSWER_S):
            return await loop.run_in_executor(_computing(), timed)
    except TimeoutError:
        goes_on = any(time.monotonic() - at < ANSWER_S for at in list(began.values()))
        if this not in began and goes_on:
            raise Problem(503, "too many ask at once; try again in a moment") from None
        raise PoolTimeout(f"no answer within {ANSWER_S} s") from None


async def run_any(handle: Handle, request: Request) -> Response:
    """Handle a request in one of Starlette's forty threads."""
    return await run_in_threadpool(handle, request)


async def run_open(handle: Handle, request: Request) -> Response:
    """Handle what anybody may ask: whether the process lives, and whether it is ready."""
    loop = asyncio.get_running_loop()
    threads = _threads_of(request.scope["route"].path)
    return await loop.run_in_executor(threads, copy_context().run, handle, request)
