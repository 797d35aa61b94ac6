"""The policy on failures: try again, put off, or give up. It decides and does nothing."""

import random
from dataclasses import dataclass

from workers.core.errors import ProviderDeniedError, ProviderRefusedError
from workers.core.outages import outage_of
from workers.core.settings import settings

# The same request would get the same answer.
FINAL = (ProviderDeniedError, ProviderRefusedError)


@dataclass(frozen=True)
class Retry:
    """The attempt counts; the next one comes after `delay_s` seconds."""

    delay_s: float


@dataclass(frozen=True)
class Postpone:
    """The fault lies elsewhere: the attempt does not count, the next comes after `delay_s`."""

    delay_s: float


@dataclass(frozen=True)
class Discard:
    """No attempt follows; `reason` says why in a word or two."""

    reason: str


Decision = Retry | Postpone | Discard


def decide(error: BaseException, attempts: int, max_attempts: int) -> Decision:
    """Decide what follows from an error.

    Args:
        attempts: how many there have been since the last success, with the one that failed.

    >>> from psycopg_pool import PoolTimeout
    >>> decide(PoolTimeout("no connection"), attempts=5, max_attempts=5)
    Postpone(delay_s=2.0)
    >>> decide(ValueError("boom"), attempts=5, max_attempts=5)
    Discard(reason='last attempt')
    """
    outage = outage_of(error)
    if outage is not None:
        return Postpone(outage.retry_after_s)
    if isinstance(error, FINAL):
        return Discard("no other attempt would fare better")
    if attempts >= max_attempts:
        return Discard("last attempt")
    return Retry(backoff_s(attempts))


def backoff_s(attempts: int) -> float:
    """Compute the seconds to wait after the n-th failed attempt: doubling, half of it jitter."""
    ceiling = min(
        settings().retry_base_seconds * 2.0 ** (attempts - 1), settings().retry_max_seconds
    )
    return ceiling * random.uniform(0.5, 1)  # noqa: S311  # spreads retries, guards nothing
