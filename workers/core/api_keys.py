"""API keys: named, with one role each, known to the process only by their SHA-256."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a key may do: read, write, admin, each with what those before it may.

    Beside them are people of the library. A librarian reads everything and uses all of the
    library's pages; a teacher is bound to homerooms and sees only the children of those. An admin
    may do all of it.
    """

    read = "read"
    write = "write"
    admin = "admin"
    librarian = "librarian"
    teacher = "teacher"

    def includes(self, needed: "Role") -> bool:
        """Say whether a key of this role may do what needs the other one.

        >>> Role.write.includes(Role.read), Role.librarian.includes(Role.write)
        (True, False)
        """
        return self is needed or needed in _INCLUDED[self]


_INCLUDED = {
    Role.read: frozenset[Role](),
    Role.write: frozenset({Role.read}),
    Role.admin: frozenset(Role),
    Role.librarian: frozenset({Role.read, Role.teacher}),
    Role.teacher: frozenset[Role](),
}
# A teacher's key names homerooms, for which an entry of API_KEYS has no room.
IN_ENVIRONMENT = tuple(role for role in Role if role is not Role.teacher)


@dataclass(frozen=True)
class ApiKey:
    """One key: an entry of API_KEYS, `name:role:sha256hex`, or a row of the table of keys.

    `homerooms` are those whose children a teacher sees; empty for every other role.
    """

    name: str
    role: Role
    digest: str
    homerooms: tuple[str, ...] = ()


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """Read `name:role:sha256hex,...`.

    Raises:
        ValueError: an entry does not have that form; the message never repeats a digest.
    """
    keys = []
    for position, entry in enumerate(filter(None, map(str.strip, text.split(","))), start=1):
        name, role, digest = parts if len(parts := entry.split(":")) == 3 else ("", "", "")
        if (
            not name
            or role not in IN_ENVIRONMENT
            or len(digest) != 64
            or set(digest) - set("0123456789abcdef")
        ):
            roles = ", ".join(IN_ENVIRONMENT[:-1]) + f" or {IN_ENVIRONMENT[-1]}"
            raise ValueError(f"API_KEYS: entry {position} is not name:role:sha256hex ({roles})")
        keys.append(ApiKey(name, Role(role), digest))
    return tuple(keys)


def digest_of(presented: str) -> str:
    """Return what is kept of a key: its SHA-256, in hex."""
    return hashlib.sha256(presented.encode()).hexdigest()


def find_key(keys: Iterable[ApiKey], presented: str) -> ApiKey | None:
    """Find the entry of a presented key; every entry is compared, each in constant time."""
    digest = digest_of(presented)
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found
