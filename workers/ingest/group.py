"""Group commit: small lists of events that arrive at the same time share one transaction.

A transaction costs the same round trips and one wait for the disk whether it holds one event or a
hundred. All or nothing still holds for each list by itself.
"""

from collections.abc import Sequence

from workers.core.outages import outage_of
from workers.ingest.events import Event
from workers.ingest.record import Recorded, record_events
from workers.ledger.freshness import Notification


def record_together(lists: Sequence[Sequence[Event]]) -> list[Recorded | Exception]:
    """Record each list of events, in one transaction if none of them is refused.

    Returns:
        What became of each list; the notifications of all are given to the first.
    """
    try:
        recorded = record_events([event for events in lists for event in events])
    except Exception as error:  # noqa: BLE001  # whoever is at fault gets it alone
        return [error] * len(lists) if outage_of(error) else _one_by_one(lists)
    return _distribute(lists, recorded)


def _one_by_one(lists: Sequence[Sequence[Event]]) -> list[Recorded | Exception]:
    outcomes: list[Recorded | Exception] = []
    for events in lists:
        try:
            outcomes.append(record_events(events))
        except Exception as error:  # noqa: BLE001  # raised for whoever sent these events
            if outage_of(error):  # the next would wait for it, too
                return [*outcomes, *[error] * (len(lists) - len(outcomes))]
            outcomes.append(error)
    return outcomes


def _distribute(lists: Sequence[Sequence[Event]], recorded: Recorded) -> list[Recorded | Exception]:
    start = 0
    notifications: list[Notification] = recorded.notifications
    shares: list[Recorded | Exception] = []
    for events in lists:
        end = start + len(events)
        shares.append(
            Recorded(recorded.event_ids[start:end], recorded.outcomes[start:end], notifications)
        )
        start, notifications = end, []
    return shares
