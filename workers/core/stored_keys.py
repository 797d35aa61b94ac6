"""Keys that are made while Kinfold runs: a table beside API_KEYS, read again every few seconds."""

import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row
from psycopg_pool import PoolTimeout

from workers.core.api_keys import ApiKey, Role, digest_of, find_key
from workers.core.errors import KeyNameTakenError, UnknownKeyError
from workers.core.process import per_process
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection

LIST_KEYS = query("core/stored_keys.list_keys")
INSERT_KEY = query("core/stored_keys.insert_key")
DELETE_KEY = query("core/stored_keys.delete_key")

# Seconds that what was read of the table is taken for true: a key that was removed in another
# process works for so long. Each costs a process one small read, and that only when somebody comes
# with a key that is not of API_KEYS.
HELD_S = 2.0
NAME = re.compile(r"[^\s:,\x00-\x1f\x7f]{1,100}")


@dataclass(frozen=True)
class StoredKey:
    """A row of the table of keys."""

    name: str
    role: str
    digest: str
    homerooms: list[str]
    created_at: datetime
    created_by: str


class _Held:
    """What this process has read of the table, when by its clock, and why it could not at first."""

    def __init__(self) -> None:
        self.keys: tuple[ApiKey, ...] | None = None
        self.looked_at = float("-inf")
        self.failure: Exception | None = None

    @property
    def is_old(self) -> bool:
        return time.monotonic() - self.looked_at > HELD_S


@per_process
def _held() -> _Held:
    return _Held()


def held_key(presented: str) -> ApiKey | None:
    """Find a presented key among API_KEYS and what was last read of the table."""
    return find_key((*settings().api_keys, *(_held().keys or ())), presented)


def must_look(presented: str) -> bool:
    """Say whether the table has to be read before it is known whose key this is."""
    held = _held()
    is_known = held.keys is not None and not held.is_old
    return not is_known and find_key(settings().api_keys, presented) is None


def look() -> None:
    """Read the table of keys, unless that was tried just now.

    While Postgres is down, those that were read last stay known.

    Raises:
        psycopg.OperationalError, PoolTimeout: it is down, and the table was never read. Whoever
            comes next is told the same at once.
    """
    held = _held()
    if held.is_old:
        read_again()
    if held.keys is None and held.failure is not None:
        raise held.failure


def read_again() -> None:
    """Read the table of keys now; what this process has changed itself counts at once."""
    held = _held()
    try:
        held.keys = tuple(
            ApiKey(row.name, Role(row.role), row.digest, tuple(row.homerooms))
            for row in list_stored_keys()
        )
    except (psycopg.OperationalError, PoolTimeout) as error:
        held.failure = error
    held.looked_at = time.monotonic()


def known_keys() -> tuple[ApiKey, ...]:
    """List the keys of API_KEYS and of the table; in a thread, for it may be read."""
    look()
    return (*settings().api_keys, *(_held().keys or ()))


def list_stored_keys() -> list[StoredKey]:
    """List the keys of the table by name."""
    with connection() as conn, conn.cursor(row_factory=class_row(StoredKey)) as cursor:
        return cursor.execute(LIST_KEYS).fetchall()


def make_key(name: str, role: Role, homerooms: Sequence[str], *, made_by: str) -> str:
    """Make a key and return it: it is shown this once, and only its SHA-256 is kept.

    Raises:
        ValueError: the name or the homerooms do not fit.
        KeyNameTakenError: there is a key of this name.
    """
    if not NAME.fullmatch(name):
        raise ValueError("a key's name has 1 to 100 characters without spaces, commas and colons")
    if (role is Role.teacher) != bool(homerooms):
        raise ValueError("a teacher's key needs homerooms, and no other key takes any")
    if any(key.name == name for key in settings().api_keys):
        raise KeyNameTakenError(name)
    made = secrets.token_urlsafe(32)
    with connection() as conn:
        row = conn.execute(
            INSERT_KEY,
            {
                "name": name,
                "role": role.value,
                "digest": digest_of(made),
                "homerooms": list(dict.fromkeys(homerooms)),
                "created_by": made_by,
            },
        ).fetchone()
    if row is None:
        raise KeyNameTakenError(name)
    read_again()
    return made


def remove_key(name: str) -> None:
    """Let a key of the table work no longer: here at once, elsewhere within two seconds.

    Raises:
        UnknownKeyError: the table has none of this name.
    """
    with connection() as conn:
        row = conn.execute(DELETE_KEY, {"name": name}).fetchone()
    if row is None:
        raise UnknownKeyError("unknown_api_key", name)
    read_again()
