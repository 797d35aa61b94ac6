"""How often somebody without a key may ask: by address, counted by each process."""

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import Request

from routes.http.access import origins_of
from routes.http.problems import Problem
from workers.core.process import per_process

# A class of thirty behind one address, each of whom looks three times in a minute.
READS = RateLimitItemPerMinute(120)
# Lists are matched with the whole catalogue, which takes up to a second among 100,000 books.
WRITES = RateLimitItemPerMinute(40)
# Lists that are kept cost room for a month.
NEW = RateLimitItemPerHour(100)
# From one address, with whatever it says to forward for, so many times as much.
FORWARDED = 10


@per_process
def _limiter() -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(MemoryStorage())


def count_stranger(request: Request, limit: RateLimitItem) -> None:
    """Count a request of its origins.

    Raises:
        Problem: 429, there were too many.
    """
    address, place = origins_of(request)
    of_address = type(limit)(limit.amount * FORWARDED, limit.multiples)
    limiter = _limiter()
    # First by what nobody can make up, so that inventing places takes no memory beyond the limit.
    if not (limiter.hit(of_address, address) and limiter.hit(limit, "place", address, place)):
        raise Problem(429, "too many requests from this address; try again in a while")
