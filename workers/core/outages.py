"""Outages: which errors say that a service is away, and that no piece of work is at fault.

The one classification: the ledger, runs, group commit and HTTP answers go by it. A deadlock, a
cancelled statement or a lock that was not to be had are no outage: the server is well, and said no
to one statement.
"""

from dataclasses import dataclass
from enum import StrEnum

import psycopg
import redis
import redis.exceptions
from psycopg_pool import PoolTimeout

from workers.core.errors import ProviderUnavailableError

RETRY_AFTER_S = 2.0
# Somebody has to make room.
RETRY_FULL_AFTER_S = 30.0

# SQLSTATEs by their beginning: no connection (08), too many of them (53300), the server ends or
# starts (57P), its disk fails (58), it takes no writes after a failover (25006).
POSTGRES_DOWN = ("08", "53300", "57P", "58", "25006")
POSTGRES_FULL = ("53100",)
REDIS_DOWN = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.MasterDownError,
    redis.exceptions.TryAgainError,
)
# In the message, because a script's error says it in the middle: no memory left, no disk left.
REDIS_FULL = ("OOM command not allowed", "MISCONF")


class Service(StrEnum):
    """What can be away."""

    postgres = "Postgres"
    redis = "Redis"
    provider = "the embeddings provider"


@dataclass(frozen=True)
class Outage:
    """A service that is down, or `full`: then it answers reads, and takes no writes.

    Trying again makes sense after `retry_after_s` seconds.
    """

    service: Service
    full: bool = False
    retry_after_s: float = RETRY_AFTER_S

    def __str__(self) -> str:
        return f"{self.service} is {'full' if self.full else 'down'}"


def outage_of(error: BaseException) -> Outage | None:
    """Classify an error; None says that the work is at fault, or chance.

    >>> str(outage_of(PoolTimeout("no connection within 5 s")))
    'Postgres is down'
    >>> str(outage_of(psycopg.errors.DiskFull("no space left on device")))
    'Postgres is full'
    >>> outage_of(psycopg.errors.DeadlockDetected("deadlock detected"))
    """
    match error:
        case ProviderUnavailableError():
            return Outage(Service.provider, retry_after_s=error.retry_after_s)
        case PoolTimeout():
            return Outage(Service.postgres)
        case psycopg.Error():
            return _of_postgres(error)
        case redis.RedisError():
            return _of_redis(error)
    return None


def _of_redis(error: redis.RedisError) -> Outage | None:
    if any(code in str(error) for code in REDIS_FULL):
        return Outage(Service.redis, full=True, retry_after_s=RETRY_FULL_AFTER_S)
    return Outage(Service.redis) if isinstance(error, REDIS_DOWN) else None


def _of_postgres(error: psycopg.Error) -> Outage | None:
    if error.sqlstate is None:
        # Without a state only the client speaks: the connection broke, or none was to be had.
        return Outage(Service.postgres) if isinstance(error, psycopg.OperationalError) else None
    if error.sqlstate.startswith(POSTGRES_FULL):
        return Outage(Service.postgres, full=True, retry_after_s=RETRY_FULL_AFTER_S)
    return Outage(Service.postgres) if error.sqlstate.startswith(POSTGRES_DOWN) else None
