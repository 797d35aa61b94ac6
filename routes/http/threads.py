"""Threads for handlers that are plain functions, and wait for stores.

Most share Starlette's. How the process is can be asked of threads that nobody else holds up, and
what computes for milliseconds has few.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

from psycopg_pool import PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

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


async def compute(answer: Callable[Asked, T], *arguments: Asked.args, **named: Asked.kwargs) -> T:
    """Answer a request that computes for milliseconds, and asks Postgres in between.

    Raises:
        PoolTimeout: there is no answer within five seconds.
    """
    loop = asyncio.get_running_loop()
    work = partial(copy_context().run, answer, *arguments, **named)
    try:
        async with asyncio.timeout(ANSWER_S):
            return await loop.run_in_executor(_computing(), work)
    except TimeoutError:
        raise PoolTimeout(f"no answer within {ANSWER_S} s") from None


async def run_any(handle: Handle, request: Request) -> Response:
    """Handle a request in one of Starlette's forty threads."""
    return await run_in_threadpool(handle, request)


async def run_open(handle: Handle, request: Request) -> Response:
    """Handle what anybody may ask: whether the process lives, and whether it is ready."""
    loop = asyncio.get_running_loop()
    threads = _threads_of(request.scope["route"].path)
    return await loop.run_in_executor(threads, copy_context().run, handle, request)
