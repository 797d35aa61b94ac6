"""One run per home, and none while a service of an earlier run is alive on its data.

Two locks, both released by the kernel however a process ends:

- `supervisor` is held by the supervisor alone and holds its process id;
- `lock` is inherited by Postgres, Redis and every process they fork, so whoever obtains it knows
  that none of them is alive.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.errors import AlreadyRunningError, StillStoppingError
from embedded.interrupts import Pause

WAIT_SECONDS = 30.0


@contextmanager
def home_lock(
    home: Path,
    *,
    pause: Pause = time.sleep,
    say: Callable[[str], None] = print,
    wait_seconds: float = WAIT_SECONDS,
) -> Iterator[int]:
    """Yields the descriptor that services must inherit.

    Raises AlreadyRunningError at once if a live supervisor holds the home, StillStoppingError
    if the services of a dead one are alive after `wait_seconds`.
    """
    supervisor_fd = os.open(home / "supervisor", os.O_RDWR | os.O_CREAT, 0o600)
    services_fd = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _obtained(supervisor_fd):
            raise AlreadyRunningError(home, _read_pid(supervisor_fd))
        os.ftruncate(supervisor_fd, 0)
        os.pwrite(supervisor_fd, str(os.getpid()).encode(), 0)

        deadline = time.monotonic() + wait_seconds
        said = False
        while not _obtained(services_fd):
            if time.monotonic() > deadline:
                raise StillStoppingError(home, wait_seconds)
            if not said:
                say("An earlier run was killed; waiting for its Postgres and Redis to end.")
                said = True
            pause(0.1)
        yield services_fd
    finally:
        os.close(services_fd)
        os.close(supervisor_fd)


def _obtained(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_pid(fd: int) -> int | None:
    text = os.pread(fd, 20, 0)
    return int(text) if text else None
