"""Runs over users' interests: every two hours over those who are held, on request over named ones.

An action makes its user stale at once, and the user is held in the ledger. A run releases those who
are held, the longest-waiting first and a batch at a time, until none is left that was stale when it
began. Whoever fails is retried by the ledger, like any other key.

A run also waits for users that somebody else computes at the moment, from what was known before it
began. It does not wait for posts: who is computed while a post is stale counts as done and as
`provisional`, and the ledger has it computed again once the post is fresh.
"""

import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from workers.core.errors import RunActiveError, UnknownKeyError
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.ingest.record import log_effects, log_events
from workers.jobs.queues import is_paused
from workers.jobs.runs import RunKind, RunLease, create_run, leased_run, read_run
from workers.ledger import freshness
from workers.ledger.attempt import Outcome, attempt
from workers.ledger.freshness import Batch, Notification
from workers.ledger.kinds import queue_of
from workers.ledger.release import (
    RequestCounts,
    count_keys,
    count_requested,
    release_held,
    release_named,
)
from workers.users.recompute import recompute_batch

FIND_USERS = query("users/runs.find_users")

# Batches that a run works on side by side: one computes while the other waits for Postgres.
BATCHES_AT_ONCE = 2
# How often a run looks whether others have ended their batches: these take seconds.
WAIT_S = 0.2


@dataclass(frozen=True)
class RequestedRun:
    """The run that does what was asked for; `is_new` if it has to be sent."""

    run_id: UUID
    kind: RunKind
    is_new: bool
    notifications: list[Notification]


def request_users(user_ids: Collection[str]) -> RequestedRun:
    """Compute the interests of these users now, stale or not, and also of dead ones.

    Raises:
        UnknownKeyError: one of them is not known; nothing was asked for.
    """
    kind = RunKind.recompute_named_users
    with connection() as conn:
        known = {user_id for (user_id,) in conn.execute(FIND_USERS, {"user_ids": list(user_ids)})}
    for user_id in user_ids:
        if user_id not in known:
            raise UnknownKeyError("unknown_user", user_id)
    try:
        run_id, is_new = create_run(kind), True
    except RunActiveError as error:
        if error.run_id is None:
            raise
        run_id, is_new = error.run_id, False
    with transaction() as conn:
        log_events(conn, {run_id: "users_recompute_requested"})
        wanted = freshness.mark_stale(conn, Kind.user_embedding, dict.fromkeys(known, run_id))
        log_effects(conn, Kind.user_embedding, {user_id: [run_id] for user_id in known}, wanted)
        release_named(conn, Kind.user_embedding, known)
    # The run that goes on takes them along, unless it is just about to end.
    notifications = [] if is_new else freshness.notifications_of(Kind.user_embedding, known)
    return RequestedRun(run_id, kind, is_new, notifications)


def recompute_users(run_id: UUID) -> list[str]:
    """Work on a run of either kind, going on where a killed worker left off.

    Returns:
        The users that this call is done with, those without a vector included.

    Raises:
        psycopg.Error: a store failed; the run is resumed later.
    """
    done: list[str] = []
    with leased_run(run_id) as lease:
        if lease is not None:
            run = read_run(run_id)
            until = run.created_at if run.kind == RunKind.recompute_users else None
            _work_off(lease, until, done)
    return done


def _work_off(lease: RunLease, until: datetime | None, done: list[str]) -> None:
    """Release users page by page and work until none is due; `done` grows by those that are.

    Two batches at once: while Postgres sums for one, the other's vectors are made and written.

    Args:
        until: since before when those are held that the run is about; None for named users.
    """
    kind = Kind.user_embedding
    # What a worker before this one got to.
    done_before, failed_before = (int(count) for count in (lease.position or "0 0").split())
    seen: set[str] = set()
    claiming = threading.Lock()

    def count() -> RequestCounts:
        if until is None:
            return count_requested(kind, lease.run_id)
        ended, failed = done_before + len(done), failed_before + len(seen.difference(done))
        keys = count_keys(kind, until)
        return RequestCounts(
            ended + failed + keys.due, ended, failed, keys.leased, keys.provisional
        )

    def work_one(_: int) -> bool:
        # One claims at a time, so that each gets a whole batch of those who wait the longest.
        with ExitStack() as claim:
            claim.enter_context(claiming)

            def work(batch: Batch) -> Outcome:
                seen.update(batch.claims)
                claim.close()
                outcome = recompute_batch(batch)
                done.extend(outcome.done)
                return outcome

            first = next((key for key in released if key not in seen), "")
            return attempt(kind, first, work) is not None

    counts = count()
    _report(lease, counts)
    with ThreadPoolExecutor(BATCHES_AT_ONCE) as threads:
        while True:
            # Who was worked on by others when this turn began may be due by its end.
            others_worked = counts.leased > 0
            most = BATCHES_AT_ONCE * settings().user_batch_size
            released = release_held(kind, until, most) if until else []
            worked = list(threads.map(work_one, range(BATCHES_AT_ONCE)))
            if not any(worked) and is_paused(queue_of(kind)):
                # Those that are left stay due, and the run waits with them.
                lease.release()
                return
            counts = count()
            _report(lease, counts)
            if any(worked) or released:
                continue
            if counts.leased:
                time.sleep(WAIT_S)
            elif not others_worked:
                return


def _report(lease: RunLease, counts: RequestCounts) -> None:
    """Note how far a run got, and keep its lease."""
    ended = counts.done + counts.failed
    lease.report(
        total=counts.total,
        done=counts.done,
        failed=counts.failed,
        provisional=counts.provisional,
        progress=ended / counts.total if counts.total else 1.0,
        position=f"{counts.done} {counts.failed}",
    )
