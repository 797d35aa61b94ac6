"""Case 12: SIGTERM three times to every process, as Heroku does, while a job runs.

Heroku sends SIGTERM to each process of a dyno at once, and SIGKILL to what is left 30 s later. So
the running job has to end, and every process with exit code 0, before that.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from embedded.ports import free_port
from embedded.procfile import read_procfile
from tests.failures.cluster import Cluster
from tests.lines import ROOT, SEARCH_PATH
from tests.processes import eventually

pytestmark = pytest.mark.usefixtures("stores")

PATIENCE_SECONDS = 30
LINES = tuple(name for name in read_procfile(ROOT / "Procfile") if name != "release")
# Honcho kills 5 s after the first of its processes has ended; here it is as patient as Heroku.
HONCHO = f"""
import sys
from honcho import command, manager
manager.KILL_WAIT = {PATIENCE_SECONDS}
sys.exit(command.main())
"""


class Dyno:
    """The lines of the Procfile under honcho, with nothing set but what Heroku sets."""

    def __init__(self, database_url: str, log: Path) -> None:
        self.log = log
        self.port = free_port()
        with log.open("wb") as output:
            self.honcho = subprocess.Popen(
                [sys.executable, "-c", HONCHO, "start", *LINES],
                cwd=ROOT,
                env={
                    "DATABASE_URL": database_url,
                    "REDIS_URL": os.environ["REDIS_URL"],
                    "PORT": str(self.port),
                    "PATH": SEARCH_PATH,
                    "PYTHONUNBUFFERED": "1",
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    @property
    def exit_codes(self) -> dict[str, int]:
        """Of those lines that have ended."""
        found = re.findall(r"(\w+)\.1 stopped \(rc=(-?\d+)\)", self.output)
        return {name: int(code) for name, code in found}

    def below_honcho(self) -> list[psutil.Process]:
        """Every process of the lines, also those that are started by others of them."""
        return list(psutil.Process(self.honcho.pid).children(recursive=True))

    def wait_for(self, *said: str) -> None:
        eventually(
            lambda: all(words in self.output for words in said) or self.honcho.poll() is not None,
            lambda: self.output,
        )
        assert self.honcho.poll() is None, self.output


@pytest.fixture
def dyno(database_url: str, tmp_path: Path) -> Iterator[Dyno]:
    dyno = Dyno(database_url, tmp_path / "log")
    try:
        yield dyno
    finally:
        for process in dyno.below_honcho() if dyno.honcho.poll() is None else []:
            process.kill()
        dyno.honcho.kill()
        dyno.honcho.wait()


def waiting_for_a_lock(admin: psycopg.Connection) -> int:
    ((count,),) = admin.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    ).fetchall()
    return int(count)


def workers_seen(admin: psycopg.Connection) -> int:
    """Those that have booted: before that Python ends on the first signal."""
    ((count,),) = admin.execute("SELECT count(*) FROM workers").fetchall()
    return int(count)


def tell(address: str) -> int:
    """The status of an event; 0 while nobody answers."""
    event = {
        "event_type": "checkout_added",
        "student_id": "S1",
        "book_id": "B1",
        "checkout_date": "2026-03-01",
    }
    try:
        return httpx.post(f"{address}/events", json=event, timeout=30).status_code
    except httpx.TransportError:
        return 0


def terminate(processes: list[psutil.Process]) -> None:
    """SIGTERM to each, three times; each time it has been taken note of before the next one."""
    for _ in range(3):
        for process in processes:
            if process.is_running():
                process.terminate()
        eventually(lambda: not any(map(sigterm_pending, processes)))


def sigterm_pending(process: psutil.Process) -> bool:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return False
    state = re.findall(r"^State:\t(\w)", status, re.MULTILINE)
    (pending,) = re.findall(r"^ShdPnd:\t(\w+)", status, re.MULTILINE)
    return state != ["Z"] and bool(int(pending, 16) & 1 << signal.SIGTERM - 1)


@pytest.mark.parametrize("also_honcho", [False, True], ids=["its processes", "honcho as well"])
def test_sigterm_three_times_lets_the_job_end_and_everything_exits_with_0(
    dyno: Dyno, database_url: str, *, also_honcho: bool
) -> None:
    with (
        psycopg.connect(database_url) as blocker,
        psycopg.connect(database_url, autocommit=True) as look,
    ):
        # The job has done its work and cannot store the result: it runs until we let it end.
        blocker.execute("LOCK TABLE student_embeddings IN SHARE MODE")
        eventually(lambda: tell(f"http://127.0.0.1:{dyno.port}") == 202, lambda: dyno.output)
        dyno.wait_for("scheduler_leads")
        eventually(lambda: workers_seen(look) == 2, lambda: dyno.output)
        eventually(lambda: waiting_for_a_lock(look) == 1, lambda: dyno.output)

        deadline = time.monotonic() + PATIENCE_SECONDS
        others = [psutil.Process(dyno.honcho.pid)] if also_honcho else []
        terminate(dyno.below_honcho() + others)
        eventually(lambda: {"web", "scheduler"} <= dyno.exit_codes.keys(), lambda: dyno.output)
        assert waiting_for_a_lock(look) == 1
        assert "worker" not in dyno.exit_codes

        blocker.rollback()
        code = dyno.honcho.wait(deadline - time.monotonic())  # Heroku would send SIGKILL then
        assert dyno.exit_codes == dict.fromkeys(LINES, 0), dyno.output
        # A honcho that gets SIGTERM says so, whatever its processes say.
        assert code == (128 + signal.SIGTERM if also_honcho else 0)
        assert "Traceback" not in dyno.output
        assert look.execute(
            "SELECT wanted - done, attempts, lease_token, error FROM freshness"
            " WHERE kind = 'student_embedding'"
        ).fetchall() == [(0, 0, None, None)]
        assert look.execute("SELECT count(*) FROM student_embeddings").fetchone() == (1,)


def test_web_with_a_process_for_each_core_ends_with_0_as_a_whole(cluster: Cluster) -> None:
    web = cluster.start_web(WEB_CONCURRENCY=2)
    web.says("Application startup complete", times=2)
    serving = psutil.Process(web.process.pid).children(recursive=True)
    terminate([psutil.Process(web.process.pid), *serving])
    web.ends_well()
    assert "Traceback" not in web.output
