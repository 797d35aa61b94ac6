"""One attempt at a batch of ledger keys: the one place that decides on retry."""

import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import psycopg
import redis
import structlog
from psycopg_pool import PoolTimeout

from workers import freshness
from workers.errors import (
    ProviderDeniedError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from workers.freshness import Batch, Failure, Kind, WakeUp
from workers.metrics import KEYS_DONE, KEYS_FAILED

STORE_DOWN_DELAY_S = 2.0
STORE_DOWN = (psycopg.OperationalError, PoolTimeout, redis.RedisError)
# No key is at fault, and halves of the batch would fare no better.
ELSEWHERE = (ProviderUnavailableError, ProviderDeniedError, *STORE_DOWN)

log = structlog.get_logger()


@dataclass(frozen=True)
class Outcome:
    """What a worker did with its batch.

    `done` was written under the lease; `failed` is still to be recorded; `wake_ups` are the
    messages that follow.
    """

    done: Collection[str] = ()
    failed: Mapping[str, Exception] = field(default_factory=dict)
    wake_ups: list[WakeUp] = field(default_factory=list)


def attempt(kind: Kind, key: str, work: Callable[[Batch], Outcome]) -> list[WakeUp] | None:
    """Claim a batch and work on it; every failure ends in the ledger.

    Returns:
        The messages to send now: what follows from the work, and keys that went stale again.
        None when nothing was due.

    Raises:
        psycopg.Error: the ledger itself cannot be reached; the lease runs out by itself.
    """
    batch = freshness.claim(kind, key)
    if batch is None:
        return None
    outcome = _work(batch, work)
    if outcome.done:
        KEYS_DONE.add(len(outcome.done), kind=kind)
        log.info(
            "batch_done",
            kind=kind,
            done=len(outcome.done),
            keys=sorted(outcome.done)[:10],
            last_events=sorted({str(batch.claims[done].last_event) for done in outcome.done})[:10],
        )
    _record_failures(batch, outcome.failed)
    return outcome.wake_ups


def _work(batch: Batch, work: Callable[[Batch], Outcome]) -> Outcome:
    """The work, with the keys that it cannot bear told from the others by halving the batch."""
    try:
        return work(batch)
    except Exception as error:  # noqa: BLE001  # whatever it is, each key keeps it with its traceback
        if len(batch.claims) == 1 or isinstance(error, ELSEWHERE):
            return Outcome(failed=dict.fromkeys(batch.claims, error))
        log.warning("batch_halved", kind=batch.kind, keys=len(batch.claims), error=repr(error))
        claims = list(batch.claims.items())
        half = len(claims) // 2
        first, second = (
            _work(replace(batch, claims=dict(part)), work)
            for part in (claims[:half], claims[half:])
        )
        return Outcome(
            done=[*first.done, *second.done],
            failed={**first.failed, **second.failed},
            wake_ups=[*first.wake_ups, *second.wake_ups],
        )


def _record_failures(batch: Batch, failed: Mapping[str, Exception]) -> None:
    """Elsewhere's faults put keys off, the others count as attempts or are final."""
    failures: dict[str, Failure] = {}
    postponed: dict[str, tuple[str, float]] = {}
    for key, error in failed.items():
        reason = (
            f"{type(error).__name__}: {error}"
            if not isinstance(error, ProviderError)
            else str(error)
        )
        if isinstance(error, ProviderUnavailableError):
            postponed[key] = (reason, error.retry_after_s)
        elif isinstance(error, STORE_DOWN):
            postponed[key] = (reason, STORE_DOWN_DELAY_S)
        else:
            final = isinstance(error, ProviderDeniedError | ProviderRefusedError)
            failures[key] = Failure(reason, final, "".join(traceback.format_exception(error)))
    for reason, delay_s in set(postponed.values()):
        keys = [key for key, put_off in postponed.items() if put_off == (reason, delay_s)]
        freshness.postpone(batch, keys, reason, delay_s)
        log.warning(
            "batch_postponed", kind=batch.kind, keys=len(keys), error=reason, delay_s=delay_s
        )
    if failures:
        dead = freshness.fail(batch, failures)
        KEYS_FAILED.add(len(failures), kind=batch.kind)
        for reason in {failure.error for failure in failures.values()}:
            keys = [key for key, failure in failures.items() if failure.error == reason]
            log.error(
                "batch_failed",
                kind=batch.kind,
                keys=keys[:10],
                count=len(keys),
                dead=len(set(keys) & set(dead)),
                error=reason,
            )
