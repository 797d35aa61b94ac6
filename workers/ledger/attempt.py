"""One attempt at a batch of ledger keys: claim, work, and record what the policy decides."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from workers.core.errors import ProviderDeniedError
from workers.core.metrics import KEY_LATENCY, KEYS_DONE, KEYS_FAILED
from workers.core.outages import outage_of
from workers.core.reasons import reason_of, release_frames, traceback_of
from workers.core.settings import settings
from workers.core.vocabulary import Kind
from workers.jobs.policy import Discard, Postpone, Retry, decide
from workers.ledger import freshness
from workers.ledger.freshness import Batch, Failure, Notification

# A key that kills its worker takes along what the process's other threads are at. Of the keys that
# were lost like that one at a time runs here, so that none is lost a second time with another.
_one_orphan = threading.Lock()

log = structlog.get_logger()


@dataclass(frozen=True)
class Outcome:
    """What a worker did with its batch.

    `done` was written under the lease; `failed` is still to be recorded; `notifications` are the
    messages that follow.
    """

    done: Collection[str] = ()
    failed: Mapping[str, Exception] = field(default_factory=dict)
    notifications: list[Notification] = field(default_factory=list)


def attempt(kind: Kind, key: str, work: Callable[[Batch], Outcome]) -> list[Notification] | None:
    """Claim a batch and work on it; every failure ends in the ledger.

    A key whose worker was lost comes first and alone, while no other such key runs here.

    Returns:
        The messages to send now: what follows from the work, and keys that went stale again;
        after a key whose worker was lost also one for the next. None when nothing was due.

    Raises:
        psycopg.Error: the ledger itself cannot be reached; the lease runs out by itself.
    """
    with _orphan(kind) as orphan:
        if orphan is not None:
            return [*_attempt(orphan, work), Notification(kind, key)]
    batch = freshness.claim(kind, key)
    return None if batch is None else _attempt(batch, work)


@contextmanager
def _orphan(kind: Kind) -> Iterator[Batch | None]:
    """Claim a key whose worker was lost, unless one runs in this process; nobody waits for that."""
    if not _one_orphan.acquire(blocking=False):
        yield None
        return
    try:
        yield freshness.claim_orphan(kind)
    finally:
        _one_orphan.release()


def _attempt(batch: Batch, work: Callable[[Batch], Outcome]) -> list[Notification]:
    outcome = _work(batch, work)
    if outcome.done:
        KEYS_DONE.add(len(outcome.done), kind=batch.kind)
        now = datetime.now(UTC)
        KEY_LATENCY.observe_all(
            ((now - batch.claims[done].stale_since).total_seconds() for done in outcome.done),
            kind=batch.kind,
        )
        log.info(
            "batch_done",
            kind=batch.kind,
            done=len(outcome.done),
            keys=sorted(outcome.done)[:10],
            last_events=sorted({str(batch.claims[done].last_event) for done in outcome.done})[:10],
        )
    _record_failures(batch, outcome.failed)
    return outcome.notifications


def _work(batch: Batch, work: Callable[[Batch], Outcome]) -> Outcome:
    """Do the work, and find the keys that it cannot bear by halving the batch."""
    try:
        return work(batch)
    except Exception as error:  # noqa: BLE001  # whatever it is, each key keeps it with its traceback
        release_frames(error)
        if len(batch.claims) == 1 or _fails_in_any_batch(error):
            return Outcome(failed=dict.fromkeys(batch.claims, error))
        log.warning("batch_halved", kind=batch.kind, keys=len(batch.claims), error=repr(error))
        claims = list(batch.claims.items())
        half = len(claims) // 2
        first, second = (
            _work(replace(batch, claims=dict(part)), work)
            for part in (claims[:half], claims[half:])
        )
        return Outcome(
            done=[*first.done, *second.done],
            failed={**first.failed, **second.failed},
            notifications=[*first.notifications, *second.notifications],
        )


def _fails_in_any_batch(error: Exception) -> bool:
    """Say whether halves of the batch would fare no better: no key is at fault."""
    return outage_of(error) is not None or isinstance(error, ProviderDeniedError)


def _record_failures(batch: Batch, failed: Mapping[str, Exception]) -> None:
    """Put keys off, back them off or give them up, as the policy says of each error."""
    failures: dict[str, Failure] = {}
    postponed: dict[tuple[str, float], list[str]] = defaultdict(list)
    for key, error in failed.items():
        reason = reason_of(error)
        match decide(error, batch.claims[key].attempts, settings().max_attempts):
            case Postpone(delay_s):
                postponed[reason, delay_s].append(key)
            case Retry(delay_s):
                failures[key] = Failure(reason, delay_s, traceback_of(error))
            case Discard():
                failures[key] = Failure(reason, None, traceback_of(error))
    for (reason, delay_s), keys in postponed.items():
        freshness.postpone(batch, keys, reason, delay_s)
        log.warning(
            "batch_postponed", kind=batch.kind, keys=len(keys), error=reason, delay_s=delay_s
        )
    if failures:
        dead = freshness.fail(batch, failures)
        KEYS_FAILED.add(len(failures), kind=batch.kind)
        for reason in {failure.error for failure in failures.values()}:
            keys = [key for key, failure in failures.items() if failure.error == reason]
            log.error(
                "batch_failed",
                kind=batch.kind,
                keys=keys[:10],
                count=len(keys),
                dead=len(set(keys) & set(dead)),
                error=reason,
            )
