"""Reads of one small statement, awaited on the event loop itself instead of in a thread.

In a thread such a read mostly waits for its turn: a hand-over to the thread and one back, and the
interpreter's lock with each. From the loop half as many again are answered (bench/reads.py).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout
from starlette.requests import Request

from workers.core.reads import ReadQuery, Rows
from workers.core.settings import settings
from workers.core.stores import AsyncPool, async_pool

T = TypeVar("T")

# Seconds for all of a read, the wait for a connection included; psycopg takes up to five more to
# cancel a statement that hangs. With more of them, a Postgres that hangs keeps callers longer.
ANSWER_S = 5.0
# Seconds that closing the pool waits for connections in use.
CLOSE_S = 1.0


@dataclass(frozen=True)
class QuickReads:
    """Pooled connections of one event loop; `free` counts those that nobody reads with.

    The pool could queue its callers itself, at the cost of one task for each that waits.
    """

    pool: AsyncPool
    free: asyncio.Semaphore

    async def fetch(self, read_query: ReadQuery[T]) -> T:
        """Run a read and return its answer; callers are served first come, first served.

        Raises:
            PoolTimeout: Postgres gave no answer within five seconds.
        """
        try:
            async with asyncio.timeout(ANSWER_S), self.free:
                rows = await self._rows(read_query)
        except TimeoutError:
            raise PoolTimeout(f"no answer within {ANSWER_S} s") from None
        return read_query.read(rows)

    async def _rows(self, read_query: ReadQuery[object]) -> Rows:
        conn = await self.pool.getconn()
        try:
            cursor = conn.cursor(row_factory=dict_row)
            await cursor.execute(read_query.statement, read_query.parameters)
            return await cursor.fetchall()
        finally:
            await self.pool.putconn(conn)


def quick_connections() -> int:
    """Return how many of a web process' connections serve quick reads: a third of them.

    One connection keeps an interpreter busy already. Two thirds, three at least, are left to
    threads, so that a commit never waits for both a deletion, which waits for whoever writes the
    graph, and a measurement (`Operation.alone`).
    """
    return (settings().postgres_pool_size + 1) // 3


@asynccontextmanager
async def quick_reads() -> AsyncIterator[QuickReads]:
    """Open connections for the running event loop, in the background, and close them at the end."""
    pool = async_pool(quick_connections())
    await pool.open()
    try:
        yield QuickReads(pool, asyncio.Semaphore(quick_connections()))
    finally:
        await pool.close(CLOSE_S)


async def fetch(request: Request, read_query: ReadQuery[T]) -> T:
    """Run a read for a handler that runs on the event loop, and return its answer.

    Raises:
        PoolTimeout: Postgres gave no answer within five seconds.
    """
    reads: QuickReads = request.state.reads
    return await reads.fetch(read_query)
