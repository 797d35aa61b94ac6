"""API keys: named, with one role each, known to the process only by their SHA-256."""

import hashlib
import hmac
from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a key may do; a higher role includes the lower ones."""

    read = 1
    write = 2
    admin = 3


@dataclass(frozen=True)
class ApiKey:
    """One entry of API_KEYS, `name:role:sha256hex`."""

    name: str
    role: Role
    digest: str


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
            or role not in Role.__members__
            or len(digest) != 64
            or set(digest) - set("0123456789abcdef")
        ):
            raise ValueError(
                f"API_KEYS: entry {position} is not name:role:sha256hex (read, write or admin)"
            )
        keys.append(ApiKey(name, Role[role], digest))
    return tuple(keys)


def find_key(keys: tuple[ApiKey, ...], presented: str) -> ApiKey | None:
    """Find the entry of a presented key; every entry is compared, each in constant time."""
    digest = hashlib.sha256(presented.encode()).hexdigest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found
