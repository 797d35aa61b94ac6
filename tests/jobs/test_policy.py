"""The policy on failures, and which errors it takes for an outage."""

from collections.abc import Callable

import psycopg
import pytest
import redis
from psycopg import errors
from psycopg_pool import PoolTimeout

from workers.core.errors import (
    InvalidEmbeddingError,
    ProviderDeniedError,
    ProviderFaultError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from workers.core.outages import outage_of
from workers.jobs.policy import Discard, Postpone, Retry, backoff_s, decide

Configure = Callable[..., None]


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (psycopg.OperationalError("connection refused"), "Postgres is down"),
        (PoolTimeout("no connection within 5 s"), "Postgres is down"),
        (errors.AdminShutdown("terminating connection"), "Postgres is down"),
        (errors.CannotConnectNow("the database system is starting up"), "Postgres is down"),
        (errors.TooManyConnections("sorry, too many clients already"), "Postgres is down"),
        (errors.ReadOnlySqlTransaction("cannot execute UPDATE"), "Postgres is down"),
        (errors.DiskFull("no space left on device"), "Postgres is full"),
        (redis.ConnectionError("connection refused"), "Redis is down"),
        (redis.TimeoutError("timed out"), "Redis is down"),
        (redis.exceptions.ReadOnlyError("a replica"), "Redis is down"),
        (redis.exceptions.OutOfMemoryError("OOM command not allowed when"), "Redis is full"),
        (redis.ResponseError("Error running script: -OOM command not allowed"), "Redis is full"),
        (redis.ResponseError("MISCONF Redis is configured to save"), "Redis is full"),
        (ProviderUnavailableError("503", 7.0), "the embeddings provider is down"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_outage_puts_off_and_counts_no_attempt(error: Exception, outage: str) -> None:
    found = outage_of(error)
    assert str(found) == outage
    assert found is not None
    assert decide(error, attempts=9, max_attempts=5) == Postpone(found.retry_after_s)


@pytest.mark.parametrize(
    "error",
    [
        errors.DeadlockDetected("deadlock detected"),
        errors.SerializationFailure("could not serialize access"),
        errors.QueryCanceled("canceling statement due to user request"),
        errors.LockNotAvailable("could not obtain lock"),
        errors.OutOfMemory("out of memory"),
        errors.UniqueViolation("duplicate key"),
        errors.DataException("invalid"),
        psycopg.DataError("cannot contain NUL"),
        redis.ResponseError("WRONGTYPE"),
        ProviderFaultError("500"),
        InvalidEmbeddingError("not finite"),
        ValueError("boom"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_outage_counts_backs_off_and_is_discarded_after_the_last_attempt(
    error: Exception,
) -> None:
    assert outage_of(error) is None
    assert isinstance(decide(error, attempts=4, max_attempts=5), Retry)
    assert decide(error, attempts=5, max_attempts=5) == Discard("last attempt")


@pytest.mark.parametrize("error", [ProviderDeniedError("401"), ProviderRefusedError("400")])
def test_what_would_be_answered_the_same_is_discarded_at_once(error: Exception) -> None:
    assert isinstance(decide(error, attempts=1, max_attempts=5), Discard)


def test_backoff_doubles_up_to_its_limit_with_half_of_it_jitter(configure: Configure) -> None:
    configure(RETRY_BASE_SECONDS=2, RETRY_MAX_SECONDS=10)
    for attempts, ceiling in ((1, 2), (2, 4), (3, 8), (4, 10), (50, 10)):
        waits = {backoff_s(attempts) for _ in range(50)}
        assert all(ceiling / 2 <= wait <= ceiling for wait in waits)
        assert len(waits) > 1
