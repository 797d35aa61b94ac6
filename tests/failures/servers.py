"""A Postgres and a Redis that a test may stop, freeze, kill and start again where they were."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import redis

from embedded.lock import home_lock
from embedded.postgres import start_postgres
from embedded.private_files import prepare_home
from embedded.redis import start_redis
from embedded.service import Service, stop_services


class Server:
    """One of the two, on the same port and data for as long as its home is held."""

    def __init__(self, start: Callable[[int | None], Service]) -> None:
        self._start = start
        self.service = start(None)
        self.url = self.service.url

    def stop(self, number: signal.Signals | None = None) -> None:
        """Stop it: properly, or with another signal (SIGKILL, or SIGQUIT for Postgres to crash)."""
        if number is not None:
            self.service.process.send_signal(number)
            self.service.process.wait()
        stop_services([self.service])

    def start(self) -> None:
        """Start it where it was, and wait until it answers."""
        self.service = self._start(urlsplit(self.url).port)

    def restart(self, number: signal.Signals | None = None) -> None:
        """Stop and start."""
        self.stop(number)
        self.start()

    def freeze(self) -> None:
        """It and its children stop where they are; connections stay open and say nothing."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):  # Postgres' own come and go
                process.suspend()

    def thaw(self) -> None:
        """It goes on as if nothing had been."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.service.process.pid)
        return [first, *first.children(recursive=True)]


class Servers:
    """Both; what they accept survives their crash."""

    def __init__(self, home: Path, lock_fd: int) -> None:
        self.postgres = Server(lambda port: start_postgres(home, lock_fd, port=port))
        self.redis = Server(lambda port: start_redis(home, lock_fd, port=port))

    def wipe_redis(self) -> None:
        """FLUSHALL."""
        with redis.Redis.from_url(self.redis.url) as client:
            client.flushall()

    def mend(self) -> None:
        """Whatever a test has done to them, they run and answer again."""
        for server in (self.postgres, self.redis):
            if server.service.process.poll() is None:
                server.thaw()
            else:
                server.start()


@contextmanager
def running_servers(home: Path) -> Iterator[Servers]:
    """Both of them on data in `home`; use it from the main thread."""
    prepare_home(home)
    with home_lock(home) as lock_fd:
        servers = Servers(home, lock_fd)
        try:
            yield servers
        finally:
            servers.mend()
            stop_services([servers.postgres.service, servers.redis.service])


def processes_below(pid: int) -> list[psutil.Process]:
    """The children of a process, their children, and so on, the youngest first."""
    try:
        return list(reversed(psutil.Process(pid).children(recursive=True)))
    except psutil.NoSuchProcess:
        return []
