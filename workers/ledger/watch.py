"""Watch the contract: a kind that goes beyond its limit, or comes back, is reported once."""

from datetime import datetime

import structlog

from workers.core.metrics import CONTRACT_BREAKS
from workers.core.queries import query
from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.ledger.kinds import limit_seconds

COMPARE = query("ledger/watch.compare_with_limits")
LIST_BROKEN = query("ledger/watch.list_broken")

log = structlog.get_logger()


def watch_freshness() -> dict[Kind, bool]:
    """Compare every kind with its limit and tell the changes; returns what changed to what."""
    with connection() as conn:
        rows = conn.execute(
            COMPARE,
            {"kinds": list(Kind), "limits_s": [limit_seconds(kind) for kind in Kind]},
        ).fetchall()
    changed = {Kind(kind): ok for kind, ok, is_new in rows if not (ok and is_new)}
    for kind, ok in changed.items():
        if ok:
            log.info("freshness_mended", kind=kind)
        else:
            log.error("freshness_broken", kind=kind, limit_s=limit_seconds(kind))
            CONTRACT_BREAKS.add(1, kind=kind)
    return changed


def broken_since() -> dict[str, datetime]:
    """Read the kinds beyond their limit at the scheduler's last look, and since when."""
    with connection() as conn:
        return dict(conn.execute(LIST_BROKEN).fetchall())
