"""The limits of providers, shared by every process of the cluster through Redis."""

import math
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import redis
import structlog
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from workers.core.errors import ProviderUnavailableError
from workers.core.process import per_process
from workers.core.settings import settings
from workers.core.stores import stores

# Who may be paused: the embeddings provider, and the chat model.
EMBEDDINGS, CHAT = "provider", "chat"
PAUSED = f"{EMBEDDINGS}:paused"
# Seconds that a request waits for a place. With more of them threads wait that could do other work.
PATIENCE_S = 5.0
# Requests a second that are let through although a minute's budget is less: 10 begun at once are
# no burst. With more of them a small budget is used up in the first seconds of its minute.
MIN_PER_SECOND = 10
# Seconds of the longest pause after failures in a row. With more, a provider that is back waits.
MAX_PAUSE_S = 60.0
# Seconds of the longest pause that a provider may ask for: a wrong header must not stop everything.
MAX_RETRY_AFTER_S = 3600.0
# A key that is there as long as the pause lasts. Requests that were under way together fail
# together: the longest pause counts.
PAUSE = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
end
"""

# The same with a pause that doubles with each failure in a row; returns its milliseconds. Failures
# during a pause are of requests that were under way when it began: one outage, not many in a row.
PAUSE_LONGER = """
local failures = tonumber(redis.call('GET', KEYS[2]) or 0)
if failures == 0 or redis.call('EXISTS', KEYS[1]) == 0 then
    failures = redis.call('INCR', KEYS[2])
    redis.call('EXPIRE', KEYS[2], 600)
end
local pause = math.floor(ARGV[1] * math.min(2 ^ failures, ARGV[2]) * 1000)
if redis.call('PTTL', KEYS[1]) < pause then
    redis.call('SET', KEYS[1], 1, 'PX', pause)
end
return pause
"""

log = structlog.get_logger()


def estimate_tokens(text: str) -> int:
    """Estimate tokens from above: English has about four bytes to one, most scripts three or more.

    >>> estimate_tokens("twelve chars")
    5
    """
    return len(text.encode()) // 3 + 1


def admit(texts: list[str]) -> None:
    """Wait for a place in the cluster's requests/min and tokens/min, at most `PATIENCE_S` seconds.

    Raises:
        ProviderUnavailableError: the provider is paused, or no place came free in time.
    """
    remaining_s = paused_s()
    if remaining_s > 0:
        raise ProviderUnavailableError("provider is paused after an error", remaining_s)
    tokens = min(sum(map(estimate_tokens, texts)), settings().embedding_tokens_per_minute)
    deadline = time.monotonic() + PATIENCE_S
    while not _take_place(tokens):
        if time.monotonic() > deadline:
            raise ProviderUnavailableError("the provider's rate limit is used up", PATIENCE_S)
        time.sleep(0.05)


def paused_s(provider: str = EMBEDDINGS) -> float:
    """Read for how many seconds a provider is not to be asked; 0 or less when it may be."""
    return int(stores().redis.pttl(f"{provider}:paused")) / 1000


def pause(retry_after: str | None, provider: str = EMBEDDINGS) -> float:
    """Keep every process from a provider for a while.

    Args:
        retry_after: the header's value, seconds or an HTTP date. Without one the pause doubles
            with each failure in a row, up to `MAX_PAUSE_S`.

    Returns:
        Seconds until the provider may be asked again.
    """
    client = stores().redis
    paused, failures = f"{provider}:paused", f"{provider}:failures"
    asked_s = _asked_seconds(retry_after)
    if asked_s is None:
        spread = random.uniform(0.5, 1)  # noqa: S311  # spreads retries, guards nothing
        return int(client.eval(PAUSE_LONGER, 2, paused, failures, spread, MAX_PAUSE_S)) / 1000
    seconds = min(asked_s, MAX_RETRY_AFTER_S)
    client.eval(PAUSE, 1, paused, max(int(seconds * 1000), 1))
    return seconds


def _asked_seconds(retry_after: str | None) -> float | None:
    """Read the seconds of a Retry-After header; None if it says nothing that can be read."""
    if retry_after is None:
        return None
    if retry_after.replace(".", "", 1).isdecimal():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if until.tzinfo is None:  # "-0000": UTC of an unknown place
        until = until.replace(tzinfo=UTC)
    return max((until - datetime.now(UTC)).total_seconds(), 0)


def report_success(provider: str = EMBEDDINGS) -> None:
    """Note that a provider answered: the next failure starts with a short pause again."""
    try:
        stores().redis.delete(f"{provider}:failures")
    except redis.RedisError as error:
        # The answer has been paid for; the worst without this is a longer pause one day.
        log.warning("provider_success_not_noted", error=str(error))


def _take_place(tokens: int) -> bool:
    limiter = _limiter()
    per_minute = settings().embedding_requests_per_minute
    requests_limit = RateLimitItemPerMinute(per_minute)
    # Spread over the minute: a budget that is used up in half of it means half a minute in which
    # nothing is embedded, where a little patience with each request would fill larger ones.
    steady_limit = RateLimitItemPerSecond(max(math.ceil(per_minute / 60), MIN_PER_SECOND))
    tokens_limit = RateLimitItemPerMinute(settings().embedding_tokens_per_minute)
    # The test keeps a request that has no tokens left from using up a request's place.
    return (
        limiter.test(tokens_limit, "tokens", cost=tokens)
        and limiter.hit(steady_limit, "requests of a second")
        and limiter.hit(requests_limit, "requests")
        and limiter.hit(tokens_limit, "tokens", cost=tokens)
    )


@per_process
def _limiter() -> SlidingWindowCounterRateLimiter:
    storage = RedisStorage(
        settings().feature_store_url,
        connection_pool=stores().redis.connection_pool,
        key_prefix="provider:limits",
    )
    return SlidingWindowCounterRateLimiter(storage)
