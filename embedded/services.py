"""All services together: under the lock of one home, and stopped whatever happens."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.interrupts import Pause
from embedded.lock import home_lock
from embedded.mongo import start_mongo
from embedded.postgres import start_postgres
from embedded.private_files import prepare_home
from embedded.redis import start_redis
from embedded.service import Service, stop_services


@dataclass(frozen=True)
class Urls:
    """With their passwords."""

    database_url: str
    redis_url: str
    mongo_url: str = ""


@contextmanager
def running_services(
    home: Path,
    *,
    postgres: bool = True,
    redis: bool = True,
    mongo: bool = True,
    durable: bool = True,
    pause: Pause = time.sleep,
    say: Callable[[str], None] = print,
) -> Iterator[list[Service]]:
    """Holds the lock of `home` and runs those asked for, until the block is left."""
    home = home.resolve()
    prepare_home(home)
    with home_lock(home, pause=pause, say=say) as lock_fd:
        started: list[Service] = []
        try:
            if postgres:
                started.append(start_postgres(home, lock_fd, durable=durable, pause=pause))
            if redis:
                started.append(start_redis(home, lock_fd, durable=durable, pause=pause))
            if mongo:
                started.append(start_mongo(home, lock_fd, pause=pause))
            yield started
        finally:
            stop_services(started)


@contextmanager
def embedded_services(home: Path, *, durable: bool = False, mongo: bool = False) -> Iterator[Urls]:
    """For tests: the services on data in `home`, by default without waiting for the disk.

    Use it from the main thread: the services die with the thread that started them.
    """
    with running_services(home, durable=durable, mongo=mongo) as (postgres, redis, *others):
        yield Urls(postgres.url, redis.url, *(other.url for other in others))
