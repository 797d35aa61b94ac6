"""Group commit: small lists of events that arrive at the same time share one transaction.

A transaction costs the same round trips and one wait for the disk whether it holds one event or a
hundred. Nobody waits for company: whoever finds no commit under way begins one at once, and those
who come meanwhile are the next group.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg_pool import PoolTimeout

from workers.events import Event
from workers.freshness import WakeUp
from workers.record_events import Recorded, record_events

# A larger list is worth a transaction of its own, and would keep the small ones waiting.
SMALL_LIST = 100
LARGEST_GROUP = 1000


@dataclass
class _Entry:
    """One caller's events, and what became of them once they are committed or refused."""

    events: Sequence[Event]
    outcome: Recorded | Exception | None = None


_waiting: list[_Entry] = []
_waiting_lock = threading.Lock()
_commit_lock = threading.Lock()


def record_together(events: Sequence[Event]) -> Recorded:
    """`record_events`, in one transaction with the small lists of other threads.

    All or nothing holds for each list by itself. The wake-ups of a group are given to one of its
    callers.

    Raises:
        psycopg.Error: as `record_events`.
    """
    if len(events) > SMALL_LIST or any(map(_waits_for_the_graph, events)):
        return record_events(events)
    entry = _Entry(events)
    with _waiting_lock:
        _waiting.append(entry)
    with _commit_lock:
        while (outcome := entry.outcome) is None:
            _commit(_next_group())
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _waits_for_the_graph(event: Event) -> bool:
    """Whether its transaction waits for whoever writes the graph; others must not wait for it."""
    return event.event_type == "student_deleted"


def _next_group() -> list[_Entry]:
    """Those that wait, the longest waiting first."""
    with _waiting_lock:
        count, size = 0, 0
        while count < len(_waiting) and size + len(_waiting[count].events) <= LARGEST_GROUP:
            size += len(_waiting[count].events)
            count += 1
        group = _waiting[:count]
        del _waiting[:count]
    return group


def _commit(group: Sequence[_Entry]) -> None:
    try:
        recorded = record_events([event for entry in group for event in entry.events])
    except (psycopg.OperationalError, PoolTimeout) as error:
        for entry in group:
            entry.outcome = error
    except Exception:  # noqa: BLE001  # whoever is at fault gets it alone
        for entry in group:
            _commit_alone(entry)
    else:
        _distribute(group, recorded)


def _commit_alone(entry: _Entry) -> None:
    try:
        entry.outcome = record_events(entry.events)
    except Exception as error:  # noqa: BLE001  # raised in the caller's thread
        entry.outcome = error


def _distribute(group: Sequence[_Entry], recorded: Recorded) -> None:
    start = 0
    wake_ups: list[WakeUp] = recorded.wake_ups
    for entry in group:
        end = start + len(entry.events)
        entry.outcome = Recorded(
            recorded.event_ids[start:end], recorded.outcomes[start:end], wake_ups
        )
        start, wake_ups = end, []
