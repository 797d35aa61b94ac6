"""Users' interests from what they did: claim, compute, store, copy to Redis.

An action makes its user stale at once, and the user waits in the ledger. A run, every two hours or
on request, calls those who wait, the longest-waiting first and a batch at a time, until none is
left that was stale when it began. Whoever fails is retried by the ledger, like any other key.
"""

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from pgvector import Vector as StoredVector
from psycopg.rows import dict_row

from workers.core.errors import RunActiveError, UnknownKeyError
from workers.core.metrics import USERS_RECOMPUTED
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.embedding.texts import Vector
from workers.ingest.record import log_effects, log_events
from workers.jobs.queues import is_paused
from workers.jobs.runs import RunKind, RunLease, create_run, leased_run, read_run
from workers.ledger import freshness
from workers.ledger.attempt import Outcome, attempt
from workers.ledger.freshness import Batch, Notification
from workers.ledger.kinds import queue_of
from workers.ledger.release import count_due, release_held, release_named
from workers.users import cache
from workers.users.cache import UserDocument
from workers.users.interests import Reason, compute_interests

STORE_EMBEDDINGS = query("users/recompute.store_embeddings")
STORE_REASONS = query("users/recompute.store_reasons")
FIND_USERS = query("users/recompute.find_users")

CREATED_BY = "recompute_users"
# Batches that a run works on side by side: one computes while the other waits for Postgres.
BATCHES_AT_ONCE = 2


@dataclass(frozen=True)
class RequestedRun:
    """The run that does what was asked for; `is_new` if it has to be sent."""

    run_id: UUID
    kind: RunKind
    is_new: bool
    notifications: list[Notification]


def recompute_user(key: str) -> list[Notification]:
    """Compute the interests of `key` and of other users that are due.

    Returns:
        Nothing to send: users that are stale again wait for the next run.
    """
    return attempt(Kind.user_embedding, key, recompute_batch) or []


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


def recompute_batch(batch: Batch) -> Outcome:
    """Compute the interests of one claimed batch."""
    keys = sorted(batch.claims)
    found = compute_interests(keys)
    vectors = {key: vector for key, vector in found.items() if not isinstance(vector, Reason)}
    reasons = {key: reason for key, reason in found.items() if isinstance(reason, Reason)}
    with transaction() as conn:
        ours = freshness.confirm_lease(conn, batch, keys)
        documents = _store(conn, batch, {key: vectors[key] for key in ours if key in vectors})
        conn.execute(
            STORE_REASONS, {"user_ids": ours, "reasons": [reasons.get(key) for key in ours]}
        )
        freshness.mark_done(conn, batch, ours)
        cache.announce({key: document.version for key, document in documents.items()})
    cache.fill(documents)
    USERS_RECOMPUTED.add(len(documents), outcome="embedded")
    for reason in Reason:
        count = sum(reasons.get(key) == reason for key in ours)
        if count:
            USERS_RECOMPUTED.add(count, outcome=reason)
    return Outcome(done=ours)


def _work_off(lease: RunLease, until: datetime | None, done: list[str]) -> None:
    """Call users page by page and work until none is due; `done` grows by those that are.

    Two batches at once: while Postgres sums for one, the other's vectors are made and written.
    """
    kind = Kind.user_embedding
    # What a worker before this one got to.
    done_before, failed_before = (int(count) for count in (lease.position or "0 0").split())
    seen: set[str] = set()
    claiming = threading.Lock()

    def report() -> None:
        count, failed = done_before + len(done), failed_before + len(seen.difference(done))
        total = count + failed + count_due(kind, until)
        lease.report(
            total=total,
            done=count,
            failed=failed,
            progress=(count + failed) / total if total else 1.0,
            position=f"{count} {failed}",
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

            first = next((key for key in called if key not in seen), "")
            return attempt(kind, first, work) is not None

    report()
    with ThreadPoolExecutor(BATCHES_AT_ONCE) as threads:
        while True:
            most = BATCHES_AT_ONCE * settings().user_batch_size
            called = release_held(kind, until, most) if until else []
            worked = list(threads.map(work_one, range(BATCHES_AT_ONCE)))
            if not any(worked) and is_paused(queue_of(kind)):
                # Those that are left stay due, and the run waits with them.
                lease.release()
                return
            if not any(worked) and not called:
                return
            report()


def _store(
    conn: psycopg.Connection, batch: Batch, vectors: Mapping[str, Vector]
) -> dict[str, UserDocument]:
    """Write vectors; returns them as they are to stand in Redis after the commit."""
    if not vectors:
        return {}
    rows = conn.cursor(row_factory=dict_row).execute(
        STORE_EMBEDDINGS,
        {
            "user_ids": list(vectors),
            "embeddings": [StoredVector(vector) for vector in vectors.values()],
            "last_events": [batch.claims[key].last_event for key in vectors],
            "model_version": settings().post_embedding.model,
            "created_by": CREATED_BY,
        },
    )
    return {row["user_id"]: cache.document(**row) for row in rows}
