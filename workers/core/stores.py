"""The clients of Postgres, Redis and MongoDB: one maker each, opened at boot, never at import."""

import select
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from pymongo import MongoClient
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.commands.core import Script
from redis.retry import Retry

from workers.core.foreign_text import escaping_adapters
from workers.core.process import held, holding
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.tracing import TracedAsyncCursor, TracedCursor, is_tracing

PING = query("core/stores.ping")
SESSION_SETTINGS = query("core/stores.session_settings")

# So that Postgres tells our sessions from others of the same role.
APPLICATION = "kinfold"
# Milliseconds that a session may be idle inside a transaction before the server ends it. A stalled
# worker keeps its locks for as long; with less, a slow machine loses work that was going well.
STALLED_TRANSACTION_MS = 30_000
SESSION: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": 5,
    "application_name": APPLICATION,
    "context": escaping_adapters(),
}

Pool = ConnectionPool[psycopg.Connection]
AsyncPool = AsyncConnectionPool[psycopg.AsyncConnection]
Mongo = MongoClient[dict[str, Any]]


@dataclass(frozen=True)
class Stores:
    """What a process keeps open while it runs.

    `redis` is the feature store, `broker` where messages lie; `probe` gives up on the store after
    a second, `mongo` is None without MONGO_URL.
    """

    pool: Pool
    redis: Redis
    broker: Redis
    probe: Redis
    mongo: Mongo | None


def redis_client(url: str, *, timeout_s: float = 5.0, retries: int = 3) -> Redis:
    """Make a Redis client that gives up after `timeout_s` and tries a broken connection again.

    An answer that comes too late is a broken connection, too: with `retries`, Redis may do twice
    or later what it was sent, so whatever is sent must be right then as well. Connects on first
    use. `rediss://` does not check the certificate's issuer, because hosted
    Redis (Heroku) presents self-signed ones.
    """
    tls = {"ssl_cert_reqs": "none", "ssl_check_hostname": False} if url.startswith("rediss") else {}
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(timeout_s, 2.0),
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries),
        **tls,
    )


def connect() -> psycopg.Connection:
    """Open a connection of its own in autocommit mode, for locks and migrations."""
    return psycopg.connect(str(settings().database_url), **(SESSION | {"connect_timeout": 10}))


@contextmanager
def opened_stores(connections: int | None = None) -> Iterator[Stores]:
    """Open the clients of Postgres, Redis and MongoDB in this process; each connects by itself.

    Args:
        connections: most of the pool, by default as many as a process may have.
    """
    url = settings().feature_store_url
    with ExitStack() as opened:
        pool: Pool = opened.enter_context(
            ConnectionPool(
                str(settings().database_url),
                min_size=1,
                max_size=connections or settings().postgres_pool_size,
                timeout=5,
                kwargs=SESSION,
                configure=_configure,
                check=_check,
                open=False,
            )
        )
        clients = Stores(
            pool,
            redis=opened.enter_context(redis_client(url)),
            broker=opened.enter_context(redis_client(str(settings().redis_url))),
            probe=opened.enter_context(redis_client(url, timeout_s=1, retries=0)),
            mongo=_mongo_client(),
        )
        if clients.mongo is not None:
            opened.callback(clients.mongo.close)
        yield opened.enter_context(holding(clients))


def async_pool(connections: int) -> AsyncPool:
    """Make a pool that an event loop is to open and close, for reads in autocommit mode."""
    return AsyncConnectionPool(
        str(settings().database_url),
        min_size=1,
        max_size=connections,
        timeout=5,
        kwargs=SESSION,
        configure=_configure_async,
        check=_check_async,
        open=False,
    )


def _mongo_client() -> Mongo | None:
    """Make a client that connects on first use, and says within seconds when nobody answers."""
    if settings().mongo_url is None:
        return None
    return MongoClient(
        str(settings().mongo_url),
        connect=False,
        tz_aware=True,
        appname="kinfold",
        serverSelectionTimeoutMS=3000,
        connectTimeoutMS=3000,
        socketTimeoutMS=60_000,
    )


def _configure(conn: psycopg.Connection) -> None:
    register_vector(conn)
    if is_tracing():
        conn.cursor_factory = TracedCursor
    conn.execute(SESSION_SETTINGS, {"milliseconds": STALLED_TRANSACTION_MS})


def _check(conn: psycopg.Connection) -> None:
    """Refuse a connection that has ended, without asking the server: that costs a round trip.

    A server that ends a session closes the socket, which can be read from then. One that goes away
    without a word is found out by the next query, as it may go away at any time.
    """
    if _can_be_read(conn):
        ConnectionPool.check_connection(conn)


async def _configure_async(conn: psycopg.AsyncConnection) -> None:
    if is_tracing():
        conn.cursor_factory = TracedAsyncCursor
    await conn.execute(SESSION_SETTINGS, {"milliseconds": STALLED_TRANSACTION_MS})


async def _check_async(conn: psycopg.AsyncConnection) -> None:
    """Refuse a connection that has ended, as `_check` does."""
    if _can_be_read(conn):
        await AsyncConnectionPool.check_connection(conn)


def _can_be_read(conn: psycopg.Connection | psycopg.AsyncConnection) -> bool:
    poll = select.poll()
    poll.register(conn, select.POLLIN)
    return bool(poll.poll(0))


def stores() -> Stores:
    """Return the open clients.

    Raises:
        RuntimeError: the process is not open.
    """
    return held(Stores)


def broker_redis() -> Redis:
    """Return the Redis where messages lie, to look into queues; the broker sends by its own."""
    return stores().broker


@contextmanager
def transaction() -> Iterator[psycopg.Connection]:
    """Lend a pooled connection inside one transaction, committed at the end of the block."""
    with stores().pool.connection() as conn, conn.transaction():
        yield conn


@contextmanager
def connection() -> Iterator[psycopg.Connection]:
    """Lend a pooled connection in autocommit mode."""
    with stores().pool.connection() as conn:
        yield conn


def ping_postgres() -> None:
    """Make one round trip to Postgres, waiting two seconds at most for a connection."""
    with stores().pool.connection(timeout=2) as conn:
        ping(conn)


def ping(conn: psycopg.Connection) -> None:
    """Make one round trip on this connection.

    Raises:
        psycopg.OperationalError: the connection is broken.
    """
    conn.execute(PING)


@cache
def script(source: str) -> Script:
    """Make a Lua script; each call of it names its client.

    The client that it is made with only says how text is encoded.
    """
    return Redis().register_script(source)


def ping_redis() -> None:
    """Make one round trip to Redis, which takes a second at most."""
    stores().probe.ping()
