"""Send notifications: the only way from a ledger key to the actor that looks at it."""

from collections.abc import Callable, Sequence

import redis
import structlog
from dramatiq import Actor

from workers.core.process import per_process
from workers.core.quiet import Quiet
from workers.core.vocabulary import Kind
from workers.ledger.freshness import Notification

KeyActor = Actor[[str], None]

log = structlog.get_logger()

_actors: dict[Kind, KeyActor] = {}


@per_process
def _quiet() -> Quiet:
    return Quiet()


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
    if not notifications:
        return True
    if _quiet().lasts:
        return False
    try:
        for notification in notifications:
            actor_of(notification.kind).send(notification.key)
    except redis.RedisError as error:
        _quiet().begin()
        log.warning("notifications_not_sent", count=len(notifications), error=str(error))
        return False
    return True
