"""Text of others on its way to Postgres: what Postgres cannot hold is escaped, never refused.

A provider's message, a document's id or an argument of a job may hold NUL or half a surrogate
pair. Postgres refuses both, and with them the write that says what went wrong. Every connection of
`workers/core/stores.py` writes text and JSON through here, so nobody has to think of it.
"""

import json
import re

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap
from psycopg.types.json import set_json_dumps
from psycopg.types.string import StrBinaryDumper, StrDumper, StrDumperUnknown

UNWRITABLE = re.compile("[\0\ud800-\udfff]")
# NUL as JSON writes it, behind a backslash of its own and not behind an escaped one.
JSON_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def escape(text: str) -> str:
    r"""Write NUL and lone surrogates as Python would, and leave everything else as it is.

    >>> escape("a\0b \ud83d c")
    'a\\0b \\ud83d c'
    """
    return UNWRITABLE.sub(
        lambda found: "\\0" if found[0] == "\0" else f"\\u{ord(found[0]):04x}", text
    )


def is_writable(text: str) -> bool:
    """Say whether Postgres can hold a text as it is, and any other store can name it."""
    return UNWRITABLE.search(text) is None


def dump_json(value: object) -> str:
    r"""Write JSON that jsonb can hold.

    >>> dump_json(["a\0b", "\ud83d", "\\u0000"])
    '["a\\\\0b", "\\\\ud83d", "\\\\u0000"]'
    """
    text = json.dumps(value, ensure_ascii=False)
    text = JSON_NUL.sub(r"\1\\\\0", text)
    return UNWRITABLE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text)


class _Escaping(StrDumper):
    def dump(self, obj: str) -> Buffer | None:
        """Write a text; looks closer only at one that cannot be written."""
        try:
            return super().dump(obj)
        except (psycopg.DataError, UnicodeEncodeError):
            return super().dump(escape(obj))


class _EscapingUnknown(StrDumperUnknown):
    def dump(self, obj: str) -> Buffer | None:
        """Escape a parameter whose type Postgres infers."""
        try:
            return super().dump(obj)
        except (psycopg.DataError, UnicodeEncodeError):
            return super().dump(escape(obj))


class _EscapingBinary(StrBinaryDumper):
    def dump(self, obj: str) -> Buffer | None:
        """Escape a binary parameter, where Postgres itself would refuse NUL."""
        return super().dump(escape(obj) if UNWRITABLE.search(obj) else obj)


def escaping_adapters() -> AdaptersMap:
    """Make the adapters that every connection to Postgres is opened with."""
    adapters = AdaptersMap(psycopg.adapters)
    # The last one is the default, as in psycopg itself.
    for dumper in (_EscapingBinary, _Escaping, _EscapingUnknown):
        adapters.register_dumper(str, dumper)
    set_json_dumps(dump_json, adapters)
    return adapters
