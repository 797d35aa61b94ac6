"""Threads for handlers that are plain functions, and wait for stores.

Most share Starlette's. How the process is can be asked of threads that nobody else holds up.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from workers.core.process import per_process, until_exit

Handle = Callable[[Request], Response]

# Of each open path: who asks whether the process is ready waits for Postgres, and who asks whether
# it lives must not wait for that.
OPEN = 2


@per_process
def _threads_of(path: str) -> ThreadPoolExecutor:  # noqa: ARG001  # each path has its own
    return until_exit(ThreadPoolExecutor(OPEN, thread_name_prefix="open"))


async def run_any(handle: Handle, request: Request) -> Response:
    """Handle a request in one of Starlette's forty threads."""
    return await run_in_threadpool(handle, request)


async def run_open(handle: Handle, request: Request) -> Response:
    """Handle what anybody may ask: whether the process lives, and whether it is ready."""
    loop = asyncio.get_running_loop()
    threads = _threads_of(request.scope["route"].path)
    return await loop.run_in_executor(threads, copy_context().run, handle, request)
