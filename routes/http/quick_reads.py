"""Reads that ask Postgres once, for a little, from the event loop itself.

In a thread such a read is mostly handed around: to the thread and back, and the interpreter with
it. From the loop half as many again are answered (bench/reads.py).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from psycopg_pool import PoolTimeout
from starlette.requests import Request

from workers.core.reads import Question, Rows
from workers.core.settings import settings
from workers.core.stores import AsyncPool, async_pool

T = TypeVar("T")

# For all of a read, the wait for a connection included. To cancel what hangs takes psycopg up to
# five more.
ANSWER_S = 5.0
CLOSE_S = 1.0


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
            PoolTimeout: there was none for five seconds.
        """
        try:
            async with asyncio.timeout(ANSWER_S), self.free:
                rows = await self._rows(question)
        except TimeoutError:
            raise PoolTimeout(f"no answer within {ANSWER_S} s") from None
        return question.read(rows)

    async def _rows(self, question: Question[object]) -> Rows:
        conn = await self.pool.getconn()
        try:
            cursor = await conn.execute(question.statement, question.parameters)
            return await cursor.fetchall()
        finally:
            await self.pool.putconn(conn)


def quick_connections() -> int:
    """Of a web process' connections a third are for quick reads; one keeps an interpreter busy.

    At least three are left: a commit never waits for both a deletion, which waits for whoever
    writes the graph, and what is measured (`Operation.alone`).
    """
    return (settings().postgres_pool_size + 1) // 3


@asynccontextmanager
async def quick_reads() -> AsyncIterator[QuickReads]:
    """Connections for the running event loop, made in the background."""
    pool = async_pool(quick_connections())
    await pool.open()
    try:
        yield QuickReads(pool, asyncio.Semaphore(quick_connections()))
    finally:
        await pool.close(CLOSE_S)


async def ask(request: Request, question: Question[T]) -> T:
    """The answer to a question, for a handler that runs on the event loop.

    Raises:
        PoolTimeout: Postgres does not answer.
    """
    reads: QuickReads = request.state.reads
    return await reads.ask(question)
