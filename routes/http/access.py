"""Who may call: keys and their roles, callers on this machine, and a limit on wrong keys."""

import hashlib
import time
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import structlog
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import Request

from routes.http.problems import Problem
from workers.core.api_keys import ApiKey, Role
from workers.core.process import per_process
from workers.core.settings import settings
from workers.core.stored_keys import held_key, must_look

# Wrong keys in five minutes: from one place, and from one address with whatever it says of itself.
PLACE_LIMIT = RateLimitItemPerMinute(10, 5)
ADDRESS_LIMIT = RateLimitItemPerMinute(100, 5)
# The same wrong key again and again is a mistake in somebody's settings, and no guess: it must not
# lock out those who call from the same place.
SAME_KEY = RateLimitItemPerMinute(1, 5)

log = structlog.get_logger()


class _WrongKeys:
    """What this process has seen of wrong keys.

    `last_at` is when the last one came: asking the limiter costs more than all else that is done
    with a key, and mostly nothing is counted.
    """

    def __init__(self) -> None:
        self.limiter = FixedWindowRateLimiter(MemoryStorage())
        self.last_at = float("-inf")


@per_process
def _wrong_keys() -> _WrongKeys:
    return _WrongKeys()


@dataclass(frozen=True)
class Caller:
    """Whose request it is: the name of the key, what it may do, and a teacher's homerooms."""

    name: str
    role: Role
    homerooms: tuple[str, ...] = ()

    @classmethod
    def of(cls, key: ApiKey) -> "Caller":
        """Say who calls with a key."""
        return cls(key.name, key.role, key.homerooms)


# In development without keys everybody on this machine.
LOCAL = Caller("local", Role.admin)


def authorize(request: Request, role: Role | None, also: Collection[Role] = ()) -> None:
    """Let the request through if its key has the role; who it was is in `scope["caller"]`.

    Where `must_read_keys` says so, `look` comes first.

    Raises:
        Problem: 401 without a known key, 403 with one of another role, 429 after too many wrong
            ones. Without configured keys, which only development allows, 403 for callers from
            other machines and from pages of other sites.
    """
    if role is None:
        return
    caller = LOCAL if not settings().api_keys else _bearer(request)
    if caller is LOCAL:
        refuse_strangers(request)
    admit(request, caller, role, also)


def must_read_keys(request: Request, role: Role | None) -> bool:
    """Say whether `authorize` needs the table of keys to be read first, in a thread."""
    if role is None or not settings().api_keys:
        return False
    scheme, presented = _credentials(request)
    return scheme == "bearer" and must_look(presented)


def admit(request: Request, caller: Caller, role: Role, also: Collection[Role] = ()) -> None:
    """Let a caller through that has the role or one of `also`, and note who it is.

    Raises:
        Problem: 403, the role is another one.
    """
    if not caller.role.includes(role) and caller.role not in also:
        raise Problem(403, f"this needs a key with the role {role.name}")
    request.scope["caller"] = caller
    structlog.contextvars.bind_contextvars(key=caller.name)


def caller_of(request: Request) -> Caller:
    """Return the caller that `authorize` let through."""
    caller: Caller = request.scope["caller"]
    return caller


def refuse_strangers(request: Request) -> None:
    """Let only programs and pages of this machine call, where no keys are configured.

    A browser on this machine also runs the pages of others. Such a page is known by its Origin,
    or by a Host that is not this machine when its name was made to point here.

    Raises:
        Problem: 403.
    """
    if request.client is None or not _is_loopback(request.client.host):
        raise Problem(403, "without API_KEYS only this machine may call")
    host = urlsplit(f"//{request.headers.get('host', '')}")
    if host.hostname != "localhost" and not _is_loopback(host.hostname or ""):
        raise Problem(403, "without API_KEYS the Host must be this machine")
    refuse_other_sites(request)


def refuse_other_sites(request: Request) -> None:
    """Refuse what a page of another site sends.

    Raises:
        Problem: 403.
    """
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise Problem(403, "pages of other sites may not call")


def check_attempts(request: Request) -> None:
    """Refuse a request from where too many wrong keys came from."""
    wrong = _wrong_keys()
    if time.monotonic() - wrong.last_at > PLACE_LIMIT.get_expiry():
        return
    if not all(wrong.limiter.test(limit, *where) for limit, where in _origins(request)):
        raise Problem(429, "too many wrong keys; try again in some minutes")


def count_wrong_key(request: Request, presented: str) -> None:
    """Count a wrong key of this request's origins, unless the same one was counted already."""
    wrong = _wrong_keys()
    wrong.last_at = time.monotonic()
    digest = hashlib.sha256(presented.encode()).hexdigest()
    origins = _origins(request)
    if wrong.limiter.hit(SAME_KEY, digest, *origins[-1][1]):
        for limit, where in origins:
            wrong.limiter.hit(limit, *where)
    log.warning("wrong_key", address=request.client.host if request.client else None)


def _bearer(request: Request) -> Caller:
    check_attempts(request)
    scheme, presented = _credentials(request)
    key = held_key(presented) if scheme == "bearer" else None
    if key is None:
        if presented:
            count_wrong_key(request, presented)
        raise Problem(401, "a known key is needed: Authorization: Bearer KEY")
    return Caller.of(key)


def _credentials(request: Request) -> tuple[str, str]:
    """Read how a request comes with a key, in lower case, and the key."""
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    return scheme.lower(), presented.strip()


def _origins(request: Request) -> tuple[tuple[RateLimitItemPerMinute, tuple[str, ...]], ...]:
    """Name the origins that are limited: an address, and behind a proxy the one it forwards for.

    A caller that comes without a proxy can write what it likes into the header, which is why its
    own address has a limit, too.
    """
    address, place = origins_of(request)
    return ((ADDRESS_LIMIT, ("address", address)), (PLACE_LIMIT, ("place", address, place)))


def origins_of(request: Request) -> tuple[str, str]:
    """Name the address that a request comes from, and the one that its proxy forwards it for.

    Only the last entry of X-Forwarded-For was written by the nearest proxy.
    """
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return _network(request.client.host if request.client else ""), _network(forwarded)


def _network(address: str) -> str:
    """Name an IPv4 address, or the /64 of an IPv6 one: whoever has one address has all of it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    return str(parsed) if parsed.version == 4 else str(ip_network((parsed, 64), strict=False))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
