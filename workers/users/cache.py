"""Users' vectors in Redis, `user:{userId}:embedding`: a copy that Postgres can always replace.

The value is the JSON document of a user's vector, and begins with a version, the microsecond in
which Postgres wrote the vector. A value never gives way to one of a lower version, so a writer
that was held up changes nothing. A value that has a version only is a placeholder: readers take
it for a miss. One without a version is nobody's, and is replaced.

- Before a vector is committed its version is announced as a placeholder. From then on nobody can
  put an older vector back, and if the copy is not written after the commit, the next reader
  finds the placeholder and writes it.
- A placeholder in place of a deleted user keeps a late writer from bringing the vector back.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import redis
import structlog

from workers.core.metrics import USER_CACHE_HITS, USER_CACHE_MISSES
from workers.core.process import per_process
from workers.core.quiet import Quiet
from workers.core.settings import settings
from workers.core.stores import stores

# Longer than anybody can be held up who still has something to write.
PLACEHOLDER_S = 3600

# One call for many users: a command for each costs more than the write.
SET_UNLESS_NEWER = """
for place, key in ipairs(KEYS) do
    local version, value = ARGV[2 * place], ARGV[2 * place + 1]
    local known = string.match(redis.call('GET', key) or '', '^{"version":(%d+)')
    if not (known and tonumber(known) > tonumber(version)) then
        redis.call('SET', key, value, 'EX', ARGV[1])
    end
end
"""
# Users of one call of the script; Redis answers nobody else until it is through.
USERS_PER_CALL = 100

log = structlog.get_logger()


@per_process
def _quiet() -> Quiet:
    return Quiet()


@dataclass(frozen=True)
class UserDocument:
    """A user's vector as it is stored in Redis; `fields` is a JSON object without braces."""

    version: int
    fields: str

    @property
    def json(self) -> str:
        """The stored value."""
        return f'{{"version":{self.version},{self.fields}}}'


def cache_key(user_id: str) -> str:
    """Name the key of a user's vector: a contract with whoever reads Redis directly."""
    return f"user:{user_id}:embedding"


def announce(versions: Mapping[str, int]) -> None:
    """Put placeholders for vectors that are about to be committed, or for users that are gone.

    Raises:
        redis.RedisError: Redis is down; committing now would leave an older vector in the copy.
    """
    _write(
        {user_id: (version, f'{{"version":{version}}}') for user_id, version in versions.items()},
        PLACEHOLDER_S,
    )


def fill(documents: Mapping[str, UserDocument]) -> None:
    """Write committed vectors. A failure is only logged: readers fill the gap."""
    ttl_s = round(settings().user_cache_days * 86400)
    try:
        _write(
            {user_id: (document.version, document.json) for user_id, document in documents.items()},
            ttl_s,
        )
    except redis.RedisError as error:
        log.warning("user_cache_not_filled", users=len(documents), error=str(error))


def read(user_id: str) -> bytes | None:
    """Read the stored document; None when there is none, or Redis does not answer at once.

    Others can write to Redis, too: whether it is one is for the caller to find out.
    """
    value = None
    if not _quiet().lasts:
        try:
            value = stores().probe.get(cache_key(user_id))
        except redis.RedisError as error:
            _quiet().begin()
            log.warning("user_cache_not_read", error=str(error))
    if isinstance(value, bytes) and b"," in value:
        USER_CACHE_HITS.add(1)
        return value
    USER_CACHE_MISSES.add(1)
    return None


def refill(user_id: str, document: UserDocument) -> None:
    """Store a vector that a reader has found in Postgres, unless Redis is down."""
    if not _quiet().lasts:
        fill({user_id: document})


def document(user_id: str, embedding: str, version: int, **fields: str) -> UserDocument:
    """Make the document of a row; `embedding` is the vector's text in Postgres, a JSON list."""
    head = json.dumps({"user_id": user_id, **fields}, ensure_ascii=False)
    return UserDocument(version, f'{head[1:-1]},"embedding":{embedding}')


def _write(values: Mapping[str, tuple[int, str]], ttl_s: int) -> None:
    """Write versions and values by user, none over a newer one."""
    pipeline = stores().redis.pipeline(transaction=False)
    script = pipeline.register_script(SET_UNLESS_NEWER)
    users = list(values)
    for start in range(0, len(users), USERS_PER_CALL):
        some = users[start : start + USERS_PER_CALL]
        arguments = [part for user_id in some for part in values[user_id]]
        script([cache_key(user_id) for user_id in some], [ttl_s, *arguments])
    pipeline.execute()
