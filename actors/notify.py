"""Send notifications: the only way from a ledger key to the actor that looks at it."""

import time
from collections.abc import Callable, Sequence

import redis
import structlog
from dramatiq import Actor

from workers.core.vocabulary import Kind
from workers.ledger.freshness import Notification

# While Redis is down, only one request in this time waits to find that out.
QUIET_AFTER_FAILURE_S = 2.0

KeyActor = Actor[[str], None]

log = structlog.get_logger()

_actors: dict[Kind, KeyActor] = {}
_quiet_until = 0.0


def handles(kind: Kind) -> Callable[[KeyActor], KeyActor]:
    """Register the actor that works on keys of a kind."""

    def register(actor: KeyActor) -> KeyActor:
        _actors[kind] = actor
        return actor

    return register


def actor_of(kind: Kind) -> KeyActor:
    """Return the actor that works on keys of a kind."""
    return _actors[kind]


def notify(notifications: Sequence[Notification]) -> bool:
    """Send one message per notification; call it after the commit that marked the keys stale.

    Returns:
        Whether all were sent. If Redis is down they are not, and need not be: the reconciler
        sends what is overdue.
    """
    global _quiet_until  # noqa: PLW0603  # one Redis, one memory of it per process
    if not notifications:
        return True
    if time.monotonic() < _quiet_until:
        return False
    try:
        for notification in notifications:
            actor_of(notification.kind).send(notification.key)
    except redis.RedisError as error:
        _quiet_until = time.monotonic() + QUIET_AFTER_FAILURE_S
        log.warning("notifications_not_sent", count=len(notifications), error=str(error))
        return False
    return True
