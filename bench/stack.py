"""The product as it runs: embedded services and lines of the Procfile."""

import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import structlog

from embedded.children import spawn, stop_groups
from embedded.ports import free_port
from embedded.procfile import read_procfile
from embedded.services import embedded_services
from workers.core.boot import open_process
from workers.core.settings import settings
from workers.core.stores import connect
from workers.jobs.schedules import enable_job, register_job
from workers.operations.migrate import migrate

ROOT = Path(__file__).parent.parent
START_LIMIT_S = 60.0


@contextmanager
def prepared(*, mongo: bool = False, **environment: object) -> Iterator[None]:
    """Durable embedded services, migrated, with open stores and these settings."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with (
        tempfile.TemporaryDirectory() as home,
        embedded_services(Path(home), durable=True, mongo=mongo) as urls,
    ):
        os.environ |= {
            "DATABASE_URL": urls.database_url,
            "REDIS_URL": urls.redis_url,
            **({"MONGO_URL": urls.mongo_url} if mongo else {}),
            **{name: str(value) for name, value in environment.items()},
        }
        settings.cache_clear()
        with connect() as conn:
            migrate(conn)
        with open_process("bench"):
            _stop_clock()
            yield


def _stop_clock() -> None:
    """No timed job begins in the middle of a measurement."""
    from scheduler import JOBS  # noqa: PLC0415  # its actors read the settings on import

    for job in JOBS:
        register_job(job.name, job.cron)
        enable_job(job.name, enabled=False)


@contextmanager
def running(lines: Sequence[str], **environment: object) -> Iterator[tuple[int, dict[str, int]]]:
    """These lines of the Procfile; gives the web's port and each line's process id.

    What they log goes nowhere: a terminal that cannot keep up is not what is measured.
    """
    commands = read_procfile(ROOT / "Procfile")
    port = free_port()
    search_path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    given = {name: str(value) for name, value in environment.items()}
    env = {**os.environ, "PATH": search_path, "PORT": str(port), "HOST": "127.0.0.1", **given}
    with Path(os.devnull).open("wb") as nowhere:
        processes = {
            name: spawn(["sh", "-c", commands[name]], env=env, cwd=ROOT, stdout=nowhere)
            for name in lines
        }
    try:
        if "web" in lines:
            _wait_until_ready(port)
        yield port, {name: process.pid for name, process in processes.items()}
    finally:
        stop_groups([(process, signal.SIGTERM) for process in processes.values()])


def resident_mb(pid: int) -> float:
    """Resident memory of the largest process of a line."""
    return float(max(process.memory_info().rss for process in family(pid)) / 2**20)


def busy_s() -> float:
    """CPU seconds of the machine so far, without those of this process, which makes the load."""
    machine, own = psutil.cpu_times(), psutil.Process().cpu_times()
    idle = machine.idle + machine.iowait + machine.guest + machine.guest_nice
    return float(sum(machine) - idle - own.user - own.system)


def family(pid: int) -> list[psutil.Process]:
    """A line's process and those that it started."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def _wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("the web process is not ready")
        time.sleep(0.1)
