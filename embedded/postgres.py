"""The embedded Postgres: a plain child process on 127.0.0.1, data in `<home>/postgres`."""

import os
import shutil
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg

from embedded.binaries import postgres_binaries
from embedded.children import Account, spawn, stop_groups
from embedded.errors import ServiceFailedError
from embedded.interrupts import Pause
from embedded.ports import free_port
from embedded.postgres_account import postgres_account
from embedded.private_files import fresh_log, kept_password, write_private
from embedded.service import Service, stop_services

DATABASE = "kinfold"
# Replaying the log after a crash comes before the first connection.
START_SECONDS = 120.0
PORT_TRIES = 3

# Taken from the system only as it fills: an eighth of the memory, 2 GB at most.
SHARED_BUFFERS_MB = min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**23, 2048)
# For a laptop with two cores.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # TCP only: a socket's path may be longer than the 107 bytes the kernel takes.
    "unix_socket_directories": "",
    "shared_buffers": f"{SHARED_BUFFERS_MB}MB",
    "max_connections": "100",
    "max_wal_size": "4GB",
    # The first change of a page after a checkpoint logs the whole page.
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
}
# Tests throw the data away.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def start_postgres(
    home: Path,
    lock_fd: int,
    *,
    durable: bool = True,
    port: int | None = None,
    pause: Pause = time.sleep,
) -> Service:
    """Starts it and returns when the database `kinfold` answers; creates what is missing.

    The caller holds the home's lock. `port` is for one that comes back where it was; by default
    it takes a free one. Raises ServiceFailedError, and whatever `pause` raises.
    """
    account = postgres_account(home, postgres_binaries())
    data = home / "postgres"
    password = kept_password(home / "postgres.password")
    if not data.exists():
        _create_cluster(home, data, password, lock_fd, account, durable=durable, pause=pause)
    # Left by a killed server. The lock proves that server is gone, but its process id may be
    # in use again, and then Postgres would refuse to start.
    (data / "postmaster.pid").unlink(missing_ok=True)

    for attempt in range(1, PORT_TRIES + 1):
        try:
            return _start(
                home, data, password, lock_fd, account, durable=durable, port=port, pause=pause
            )
        except ServiceFailedError as failed:
            if attempt == PORT_TRIES or "Address already in use" not in str(failed):
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def _start(
    home: Path,
    data: Path,
    password: str,
    lock_fd: int,
    account: Account | None,
    *,
    durable: bool,
    port: int | None,
    pause: Pause,
) -> Service:
    port = port or free_port()
    settings = SETTINGS | {"port": str(port)} | ({} if durable else NOT_DURABLE)
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = home / "postgres.log"
    with fresh_log(log) as output:
        process = spawn(
            [str(postgres_binaries() / "postgres"), "-D", str(data), *options],
            env=_environment(),
            cwd=Path("/"),
            stdout=output,
            lock_fd=lock_fd,
            run_as=account,
            death_signal=signal.SIGINT,
        )
    address = f"postgresql://postgres:{password}@127.0.0.1:{port}"
    service = Service("postgres", f"{address}/{DATABASE}", process, signal.SIGINT, log)
    with ExitStack() as on_failure:
        on_failure.callback(stop_services, [service])
        _wait_and_create_database(service, f"{address}/postgres", pause)
        on_failure.pop_all()
    return service


def _wait_and_create_database(service: Service, admin_url: str, pause: Pause) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        service.check()
        try:
            _ensure_database(admin_url)
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                reason = "does not accept the password kept in postgres.password"
                raise ServiceFailedError("postgres", reason, service.log) from error
            if time.monotonic() > deadline:
                reason = f"did not answer within {START_SECONDS:.0f} s"
                raise ServiceFailedError("postgres", reason, service.log) from error
        else:
            return
        pause(0.05)


def _ensure_database(admin_url: str) -> None:
    with psycopg.connect(admin_url, autocommit=True, connect_timeout=5) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
        ).fetchone()
        if found is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def _create_cluster(
    home: Path,
    data: Path,
    password: str,
    lock_fd: int,
    account: Account | None,
    *,
    durable: bool,
    pause: Pause,
) -> None:
    """initdb beside the final place, then a rename: a half-made cluster is never taken for one."""
    workshop = home / "postgres.new"
    if workshop.exists():
        shutil.rmtree(workshop)
    workshop.mkdir(mode=0o700)
    password_file = workshop / "password"
    write_private(password_file, password)
    if account is not None:
        os.chown(workshop, account.uid, account.gid)
        os.chown(password_file, account.uid, account.gid)

    log = home / "initdb.log"
    with fresh_log(log) as output:
        process = spawn(
            [
                str(postgres_binaries() / "initdb"),
                f"--pgdata={workshop / 'data'}",
                "--username=postgres",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # The same order of text on every machine, whatever its locales.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *([] if durable else ["--no-sync"]),
            ],
            env=_environment(),
            cwd=Path("/"),
            stdout=output,
            lock_fd=lock_fd,
            run_as=account,
        )
    with ExitStack() as on_failure:
        on_failure.callback(stop_groups, [(process, signal.SIGTERM)])
        while process.poll() is None:
            pause(0.05)
        on_failure.pop_all()
    if process.returncode != 0:
        raise ServiceFailedError("initdb", f"failed with exit code {process.returncode}", log)
    (workshop / "data").rename(data)
    shutil.rmtree(workshop)


def _environment() -> dict[str, str]:
    """The caller's, without the PG* variables that would change what these programs do."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
