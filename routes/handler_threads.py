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

Handle = Callable[[Request], Response]

OPEN = 4

_open = ThreadPoolExecutor(OPEN, thread_name_prefix="open")


async def run_any(handle: Handle, request: Request) -> Response:
    """Handle a request in one of Starlette's forty threads."""
    return await run_in_threadpool(handle, request)


async def run_open(handle: Handle, request: Request) -> Response:
    """Handle what anybody may ask: whether the process lives, and whether it is ready."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_open, copy_context().run, handle, request)
