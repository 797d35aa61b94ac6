"""The reconciler: what got lost is sent again, what kills workers is buried, slots are caught up.

A pass every few seconds, of steps that do not know each other: each has its turn in every pass,
whatever becomes of the others.
"""

from collections.abc import Callable, Sequence
from functools import partial

import structlog

from actors.firings import Job, fire
from actors.notify import notify
from actors.runs import send_run
from actors.steps import survive
from workers.core.stores import connection
from workers.jobs.runs import find_waiting
from workers.jobs.stalled_sessions import end_stalled_sessions
from workers.ledger.freshness import bury_lost, find_overdue
from workers.ledger.watch import watch_freshness
from workers.neighbors.changes import prune_changes

log = structlog.get_logger()


def reconcile(jobs: Sequence[Job]) -> bool:
    """Make one pass; says whether every step succeeded."""
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("end stalled sessions", free_from_stalled),
        ("bury lost keys", bury_killers),
        ("send overdue keys", send_overdue),
        ("send waiting runs", send_runs),
        ("watch freshness", watch_freshness),
        ("prune graph changes", prune_graph_changes),
        *((f"fire {job.name}", partial(fire, job)) for job in jobs),
    )
    succeeded = [survive(step, do) for step, do in steps]
    return all(succeeded)


def free_from_stalled() -> None:
    """End sessions of processes that stall within a statement."""
    stalled = end_stalled_sessions()
    if stalled:
        log.warning("stalled_sessions_ended", count=stalled)


def bury_killers() -> None:
    """Bury keys whose worker was lost with them on each attempt."""
    for lost in bury_lost():
        log.error("key_buried", kind=lost.kind, key=lost.key)


def send_overdue() -> None:
    """Send stale keys that no recent message stands for."""
    overdue = find_overdue()
    if overdue:
        log.info("overdue_resent", messages=len(overdue), sent=notify(overdue))


def send_runs() -> None:
    """Send runs whose message or worker was lost."""
    for run_id, kind in find_waiting():
        send_run(run_id, kind)


def prune_graph_changes() -> None:
    """Drop changes of the neighbour graph that every copy has followed."""
    with connection() as conn:
        prune_changes(conn)
