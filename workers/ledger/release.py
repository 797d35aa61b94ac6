"""Keys of a kind that is held: stale at once, due when a schedule or a person asks for the result.

Whoever asks is owed a result that reflects its inputs. `asked` of a key is the watermark that it
has to reach, and stays after a provisional result, one that was computed while an input was stale.
Whoever makes such an input fresh marks the key stale and calls `release_asked`: the key is due at
once, and does not wait for the next schedule.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.stores import connection
from workers.core.vocabulary import Kind

RELEASE_HELD = query("ledger/release.release_held")
RELEASE_NAMED = query("ledger/release.release_named")
RELEASE_ASKED = query("ledger/release.release_asked")
FIND_STALE = query("ledger/release.find_stale")
COUNT_KEYS = query("ledger/release.count_keys")
COUNT_REQUESTED = query("ledger/release.count_requested")


@dataclass(frozen=True)
class KeyCounts:
    """Keys of a kind by what a run over those that were stale at a time has to know.

    `due` ones, with those that are held since before it; of those stale since before it the ones
    `leased` to somebody; and those with a `provisional` result from after it.
    """

    due: int
    leased: int
    provisional: int


@dataclass(frozen=True)
class RequestCounts:
    """Keys that a request named, by what became of them; `leased` ones are worked on now."""

    total: int
    done: int
    failed: int
    leased: int
    provisional: int


def release_held(kind: Kind, until: datetime, most: int) -> list[str]:
    """Let up to `most` keys be due that are held since before `until`, the stalest ones."""
    parameters = {"kind": kind, "until": until, "most": most}
    with connection() as conn:
        return [key for (key,) in conn.execute(RELEASE_HELD, parameters)]


def release_named(conn: psycopg.Connection, kind: Kind, keys: Collection[str]) -> None:
    """Let these keys be due if they are stale; who works on one does so once more afterwards."""
    conn.execute(RELEASE_NAMED, {"kind": kind, "keys": sorted(keys)})


def release_asked(conn: psycopg.Connection, kind: Kind, keys: Collection[str]) -> list[str]:
    """Let those of `keys` be due whose result was asked for: an input of theirs is fresh now.

    To be called in the transaction that writes the input and marks the keys stale.

    Returns:
        The keys that are due; send messages for them after the commit.
    """
    return [key for (key,) in conn.execute(RELEASE_ASKED, {"kind": kind, "keys": sorted(keys)})]


def find_stale(conn: psycopg.Connection, kind: Kind, keys: Collection[str]) -> set[str]:
    """Find those of `keys` that are stale and will be fresh; a dead one stays as it is."""
    return {key for (key,) in conn.execute(FIND_STALE, {"kind": kind, "keys": list(keys)})}


def count_keys(kind: Kind, until: datetime) -> KeyCounts:
    """Count the keys of a kind for a run over those that were stale at `until`."""
    with connection() as conn, conn.cursor(row_factory=class_row(KeyCounts)) as cursor:
        (counts,) = cursor.execute(COUNT_KEYS, {"kind": kind, "until": until})
    return counts


def count_requested(kind: Kind, event_id: UUID) -> RequestCounts:
    """Count what became of the keys that an event asked for."""
    with connection() as conn, conn.cursor(row_factory=class_row(RequestCounts)) as cursor:
        (counts,) = cursor.execute(COUNT_REQUESTED, {"kind": kind, "event_id": event_id})
    return counts
