"""Reads that ask Postgres once, for a little, from the event loop itself.

In a thread such a read is mostly handed around: to the thread and back, and the interpreter with
it. From the loop it takes half the CPU (bench/reads.py).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from starlette.requests import Request

from routes.problems import Problem
from workers.questions import Question
from workers.settings import settings
from workers.stores import AsyncPool, async_pool

T = TypeVar("T")

# As long as whoever may wait waits for a connection.
WAIT_S = 5.0


@dataclass(frozen=True)
class QuickReads:
    """Connections of one event loop, and how many of them are free.

    The pool could keep its queue itself, at the cost of a task for each that waits.
    """

    pool: AsyncPool
    free: asyncio.Semaphore

    async def ask(self, question: Question[T]) -> T:
        """The answer; whoever asks first is answered first.

        Raises:
            Problem: 503, no connection was free for five seconds: Postgres does not answer.
        """
        await self._wait()
        try:
            conn = await self.pool.getconn()
            try:
                cursor = await conn.execute(question.statement, question.parameters)
                rows = await cursor.fetchall()
            finally:
                await self.pool.putconn(conn)
        finally:
            self.free.release()
        return question.read(rows)

    async def _wait(self) -> None:
        if not self.free.locked():
            await self.free.acquire()
            return
        try:
            async with asyncio.timeout(WAIT_S):
                await self.free.acquire()
        except TimeoutError:
            detail = "too many reads wait for Postgres; try again"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail) from None


def quick_connections() -> int:
    """Of a web process' connections half are for quick reads; two keep one interpreter busy."""
    return settings().postgres_pool_size // 2


@asynccontextmanager
async def quick_reads() -> AsyncIterator[QuickReads]:
    """Connections for the running event loop, made in the background."""
    async with async_pool(quick_connections()) as pool:
        yield QuickReads(pool, asyncio.Semaphore(quick_connections()))


async def ask(request: Request, question: Question[T]) -> T:
    """The answer to a question, for a handler that runs on the event loop.

    Raises:
        Problem: 503, Postgres does not answer.
    """
    reads: QuickReads = request.state.reads
    return await reads.ask(question)
