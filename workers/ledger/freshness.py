"""The freshness ledger: raise what a fact makes stale, claim it, and mark it done.

Every function that writes takes the caller's connection, so that a fact and what it makes
stale, or a result and its `done`, commit together.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.core.worker_name import worker_name
from workers.jobs.lease import LOST_WORKER, Lease, lost_on_each
from workers.jobs.lease import claim as claim_rows
from workers.jobs.queues import paused_queues
from workers.ledger.kinds import batch_size, is_held, queue_of

RAISE = query("ledger/freshness.mark_stale")
LOCK_KEYS = query("ledger/freshness.lock_keys")
FORGET = query("ledger/freshness.forget_keys")
CLAIM_ORPHAN = query("ledger/freshness.claim_orphan")
CLAIM_DUE = query("ledger/freshness.claim_due")
CONFIRM = query("ledger/freshness.confirm_lease")
MARK_DONE = query("ledger/freshness.mark_done")
POSTPONE = query("ledger/freshness.postpone")
FAIL = query("ledger/freshness.fail")
RECORD_ATTEMPTS = query("ledger/freshness.record_attempts")
BURY_LOST = query("ledger/freshness.bury_lost")
FIND_OVERDUE = query("ledger/freshness.find_overdue")
RESEND_STALE = query("ledger/freshness.resend_stale")


@dataclass(frozen=True)
class Notification:
    """A message to send after commit: look at this key, and at others of its kind, now."""

    kind: Kind
    key: str


@dataclass(frozen=True)
class Claim:
    """One key that this worker holds until the batch's lease runs out.

    `wanted` is the watermark at the time of the claim, `attempts` counts this one too,
    `last_event` is the event that raised the key last, and `stale_since` when it went stale.
    """

    key: str
    wanted: int
    attempts: int
    last_event: UUID | None
    stale_since: datetime


@dataclass(frozen=True)
class Batch:
    """Keys claimed together under one lease."""

    kind: Kind
    lease: Lease
    started_at: datetime
    claims: Mapping[str, Claim]


@dataclass(frozen=True)
class Failure:
    """Why one key could not be done; without `retry_after_s` it is given up."""

    error: str
    retry_after_s: float | None = None
    traceback: str | None = None


@dataclass(frozen=True)
class KeyFreshness:
    """The ledger's row of one key, as the API shows it."""

    kind: Kind
    fresh: bool
    stale_since: datetime | None
    updated_at: datetime | None
    last_event: UUID | None
    error: str | None
    dead: bool


def mark_stale(
    conn: psycopg.Connection, kind: Kind, causes: Mapping[str, UUID | None]
) -> dict[str, int]:
    """Make keys stale; `causes` maps each key to the event that did it.

    Returns:
        The new watermark of each key.
    """
    if not causes:
        return {}
    rows = conn.execute(
        RAISE,
        {
            "kind": kind,
            "keys": list(causes),
            "event_ids": list(causes.values()),
            "held": is_held(kind),
        },
    )
    return dict(rows.fetchall())


def lock_keys(conn: psycopg.Connection, kind: Kind, keys: Collection[str]) -> None:
    """Lock the rows of `keys` until the transaction ends."""
    conn.execute(LOCK_KEYS, {"kind": kind, "keys": list(keys)})


def forget_keys(conn: psycopg.Connection, kinds: Sequence[Kind], keys: Collection[str]) -> None:
    """Remove deleted things from the ledger."""
    conn.execute(FORGET, {"kinds": list(kinds), "keys": list(keys)})


def notifications_of(kind: Kind, keys: Collection[str]) -> list[Notification]:
    """Make one message per batch: the worker that gets it claims the rest by itself."""
    return [Notification(kind, key) for key in sorted(keys)[:: batch_size(kind)]]


def claim(kind: Kind, key: str) -> Batch | None:
    """Claim `key` and up to a batch of other due keys of its kind.

    None when nothing is due, or the kind's queue is paused. Keys whose worker was lost are left
    to `claim_orphan`.
    """
    return _claim(CLAIM_DUE, kind, {"key": key, "batch": batch_size(kind)})


def claim_orphan(kind: Kind) -> Batch | None:
    """Claim one key whose worker was lost with it, if there is one.

    What kills workers takes along whatever else its process is at, so run one at a time.
    """
    lost = {"lost_worker": LOST_WORKER, "max_attempts": settings().max_attempts}
    return _claim(CLAIM_ORPHAN, kind, lost)


def _claim(statement: str, kind: Kind, parameters: Mapping[str, object]) -> Batch | None:
    started_at = datetime.now(UTC)
    lease, rows = claim_rows(statement, {"kind": kind}, queue=queue_of(kind), **parameters)
    if not rows:
        return None
    return Batch(kind, lease, started_at, {row["key"]: Claim(**row) for row in rows})


def confirm_lease(conn: psycopg.Connection, batch: Batch, keys: Collection[str]) -> list[str]:
    """Lock those of `keys` that still belong to this batch, until the transaction ends.

    A worker that was stalled until its lease went to another one gets none and writes nothing.
    """
    return [key for (key,) in batch.lease.confirm(CONFIRM, conn, keys=list(keys))]


def mark_done(
    conn: psycopg.Connection,
    batch: Batch,
    keys: Collection[str],
    raised: Mapping[str, int] | None = None,
    provisional: Collection[str] = (),
) -> list[str]:
    """Write `done` and the attempts of confirmed keys.

    Args:
        raised: the watermark that each key raised for the kind that follows it.
        provisional: those whose inputs were stale; a held one that was asked for is due again as
            soon as one of them is fresh (`workers/ledger/release.py`).

    Returns:
        The keys that were marked stale meanwhile and are due, so not those that are held.
    """
    if not keys:
        return []
    claims = [batch.claims[key] for key in keys]
    rows = conn.execute(
        MARK_DONE,
        {
            "kind": batch.kind,
            "keys": list(keys),
            "wanteds": [claim.wanted for claim in claims],
            "event_ids": [claim.last_event for claim in claims],
            "started_at": batch.started_at,
            "provisional": [key in provisional for key in keys],
            "held": is_held(batch.kind),
        },
    ).fetchall()
    _record_attempts(conn, batch, dict.fromkeys(keys), raised or {})
    return [key for key, due_again in rows if due_again]


def postpone(batch: Batch, keys: Collection[str], error: str, delay_s: float) -> None:
    """Give keys back for a while without counting the attempt: the fault lies elsewhere."""
    with transaction() as conn:
        rows = conn.execute(
            POSTPONE,
            {
                "kind": batch.kind,
                "keys": confirm_lease(conn, batch, keys),
                "token": batch.lease.token,
                "error": error,
                "delay_s": delay_s,
            },
        ).fetchall()
        failure = Failure(error)
        _record_attempts(conn, batch, {key: failure for (key,) in rows}, {})


def fail(batch: Batch, failures: Mapping[str, Failure]) -> list[str]:
    """Record failed keys: each backs off, or is dead.

    One that was raised meanwhile lives on: what is new may be what it lacked.

    Returns:
        The keys that are dead now.
    """
    with transaction() as conn:
        ours = confirm_lease(conn, batch, failures)
        rows = conn.execute(
            FAIL,
            {
                "kind": batch.kind,
                "token": batch.lease.token,
                "keys": ours,
                "wanteds": [batch.claims[key].wanted for key in ours],
                "errors": [failures[key].error for key in ours],
                "delays_s": [failures[key].retry_after_s for key in ours],
            },
        ).fetchall()
        _record_attempts(conn, batch, {key: failures[key] for key, _ in rows}, {})
    return [key for key, dead in rows if dead]


def bury_lost() -> list[Notification]:
    """Kill keys whose worker was lost with them on their last attempt; returns them."""
    error = lost_on_each(settings().max_attempts)
    with transaction() as conn:
        rows = conn.execute(
            BURY_LOST,
            {"kinds": list(Kind), "max_attempts": settings().max_attempts, "error": error},
        ).fetchall()
    return [Notification(Kind(kind), key) for kind, key in rows]


def find_overdue(most: int = 10_000) -> list[Notification]:
    """Find keys that are due and that no recent message stands for.

    One per batch of ordinary keys, and one for each key whose worker was lost, because those
    are claimed alone. None for kinds whose queue is paused: messages would pile up there.
    """
    paused = paused_queues()
    with transaction() as conn:
        rows = conn.execute(
            FIND_OVERDUE,
            {
                "kinds": [kind for kind in Kind if queue_of(kind) not in paused],
                "resend_after_seconds": settings().resend_after_seconds,
                "most": most,
            },
        ).fetchall()
    found = []
    for kind in Kind:
        ordinary = [key for row_kind, key, orphan in rows if row_kind == kind and not orphan]
        found += notifications_of(kind, ordinary)
        found += [
            Notification(kind, key) for row_kind, key, orphan in rows if row_kind == kind and orphan
        ]
    return found


def resend_stale() -> None:
    """Have the reconciler send everything that is stale at its next pass.

    For commands, which raise keys but are no part of the queue.
    """
    with connection() as conn:
        conn.execute(RESEND_STALE)


def _record_attempts(
    conn: psycopg.Connection,
    batch: Batch,
    outcomes: Mapping[str, Failure | None],
    raised: Mapping[str, int],
) -> None:
    conn.execute(
        RECORD_ATTEMPTS,
        {
            "kind": batch.kind,
            "worker": worker_name(),
            "started_at": batch.started_at,
            "keys": list(outcomes),
            "wanteds": [batch.claims[key].wanted for key in outcomes],
            "errors": [failure.error if failure else None for failure in outcomes.values()],
            "tracebacks": [failure.traceback if failure else None for failure in outcomes.values()],
            "raised": [raised.get(key) for key in outcomes],
        },
    )
