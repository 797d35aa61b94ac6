"""The feature store in Redis: one value per version and document, with a time to live."""

from collections.abc import Iterator, Sequence

from workers.core.settings import settings
from workers.core.stores import script, stores
from workers.core.vocabulary import Codec
from workers.documents.codecs import Heads, Times, encode_times, head_bytes, read_heads, time_place

PREFIX = "doc_emb:"
# Which version is read. In the same server as the values, so that a read needs one round trip.
ACTIVE = "doc_emb_active"
SCAN_COUNT = 1000
SECONDS_A_DAY = 86_400

# The active version, then the values of the documents in ARGV; nothing without an active version.
READ = """
local version = redis.call('GET', KEYS[1])
if not version then return false end
local found = {version}
for place, id in ipairs(ARGV) do
    found[place + 1] = redis.call('GET', 'doc_emb:' .. version .. ':' .. id)
end
return found
"""
# A new time to live; and a new time, which SETRANGE alone would also write where no key is.
EXTEND = """
for place, key in ipairs(KEYS) do
    if redis.call('EXPIRE', key, ARGV[1]) == 1 and ARGV[place + 2] then
        redis.call('SETRANGE', key, ARGV[2], ARGV[place + 2])
    end
end
"""


def key_of(version: str, doc_id: str) -> str:
    """Name the key `doc_emb:{version}:{doc_id}`; a version has no colon, an id may have many."""
    return f"{PREFIX}{version}:{doc_id}"


def ttl_s() -> int:
    """Return the seconds that a value lives without being looked at by a run."""
    return settings().document_ttl_days * SECONDS_A_DAY


def write_values(version: str, doc_ids: Sequence[str], values: Sequence[bytes]) -> None:
    """Store values, in one pipeline.

    Raises:
        redis.RedisError: some may be stored.
    """
    pipeline = stores().redis.pipeline(transaction=False)
    for doc_id, value in zip(doc_ids, values, strict=True):
        pipeline.execute_command(  # type: ignore[no-untyped-call]  # redis-py's lowest level
            "SET", key_of(version, doc_id), value, "EX", ttl_s()
        )
    pipeline.execute()


def stored_heads(version: str, codec: Codec, doc_ids: Sequence[str]) -> Heads:
    """Read heads of stored values, in one pipeline; the values themselves stay where they are."""
    pipeline = stores().redis.pipeline(transaction=False)
    last = head_bytes(codec) - 1
    for doc_id in doc_ids:
        pipeline.execute_command(  # type: ignore[no-untyped-call]  # as above
            "GETRANGE", key_of(version, doc_id), 0, last
        )
    return read_heads(pipeline.execute())


def extend(version: str, codec: Codec, doc_ids: Sequence[str], ts_ms: Times | None = None) -> None:
    """Let unchanged values live on; `ts_ms` is as of when they are known to be right."""
    if not doc_ids:
        return
    times = [] if ts_ms is None else encode_times(codec, ts_ms)
    keys = [key_of(version, doc_id) for doc_id in doc_ids]
    script(EXTEND)(keys=keys, args=[ttl_s(), time_place(codec), *times], client=stores().redis)


def delete_values(version: str, doc_ids: Sequence[str]) -> int:
    """Remove values; returns how many there were."""
    if not doc_ids:
        return 0
    return int(stores().redis.unlink(*[key_of(version, doc_id) for doc_id in doc_ids]))


def read_values(doc_ids: Sequence[str]) -> tuple[str, list[bytes | None]] | None:
    """Read the active version and its values, in one round trip; None if Redis knows of none."""
    found = script(READ)(keys=[ACTIVE], args=list(doc_ids), client=stores().redis)
    return None if found is None else (found[0].decode(), found[1:])


def set_active(version: str) -> None:
    """Let reads use another version from now on, all at once."""
    stores().redis.set(ACTIVE, version)


def scan(cursor: int) -> tuple[int, list[tuple[str, str]]]:
    """Scan on: the next cursor, 0 at the end, and some stored (version, document) pairs."""
    following, keys = stores().redis.scan(cursor, match=f"{PREFIX}*", count=SCAN_COUNT)
    found = []
    for key in keys:
        name = key if isinstance(key, str) else key.decode(errors="replace")
        version, colon, doc_id = name.removeprefix(PREFIX).partition(":")
        if colon:
            found.append((version, doc_id))
    return int(following), found


def scan_all() -> Iterator[list[tuple[str, str]]]:
    """Scan every stored pair at least once, some at a time."""
    cursor, found = scan(0)
    yield found
    while cursor:
        cursor, found = scan(cursor)
        yield found
