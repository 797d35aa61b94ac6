"""The supervisor of `make run`, with real processes: it restarts, merges, and stops everything."""

import io
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

import embedded
from embedded.children import spawn, stop_groups
from embedded.errors import EmbeddedError, LineFailedError
from embedded.interrupts import Interrupted, Interrupts
from embedded.merged_output import MergedOutput
from embedded.procfile import read_procfile
from embedded.services import Urls, embedded_services
from embedded.supervise import Supervisor
from tests.processes import LIMIT_SECONDS, alive, eventually, service_pids

pytestmark = pytest.mark.slow

linux_only = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends the children of a killed process"
)

WEB = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"kinds": [{"kind": "x", "total": 1, "fresh": 1, "stale": 0, "dead": 0}]}'
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
# Like dramatiq: a child of its own, to which it passes SIGTERM on.
WORKER = """
import os, pathlib, signal, subprocess, sys, time

child = subprocess.Popen(["sleep", "600"])

def stop(*args):
    child.terminate()
    sys.exit(0)

signal.signal(signal.SIGTERM, stop)
pathlib.Path("worker.pids").write_text(f"{os.getpid()} {child.pid}")
print("working", flush=True)
time.sleep(600)
"""


def test_a_process_that_ends_is_started_again(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    out, interrupts = io.StringIO(), Interrupts()
    supervisor = make_supervisor(tmp_path, out, interrupts)

    def stop_after_two_runs() -> None:
        interrupts.requested = runs.exists() and len(runs.read_text().split()) >= 2

    with pytest.raises(Interrupted):
        supervisor.run(
            {"short": "sh -c 'echo run >> runs; exit 3'", "steady": "sleep 600"},
            stop_after_two_runs,
        )
    assert "short ended (exit code 3); starting it again in 1 s" in out.getvalue()
    assert "steady ended" not in out.getvalue()


def test_what_an_ended_process_leaves_behind_is_ended_before_the_next_run(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    interrupts = Interrupts()
    supervisor = make_supervisor(tmp_path, io.StringIO(), interrupts)
    survivors: list[int] = []

    def look() -> None:
        started = [int(pid) for pid in pids.read_text().split()] if pids.exists() else []
        if len(started) >= 2:
            survivors.extend(pid for pid in started[:-1] if alive(pid))
            interrupts.requested = True

    with pytest.raises(Interrupted):
        supervisor.run({"parent": "sh -c 'sleep 600 & echo $! >> pids'"}, look)
    assert survivors == []
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


def test_the_output_of_processes_is_merged_line_by_line_with_their_names(tmp_path: Path) -> None:
    out = io.StringIO()
    supervisor = make_supervisor(tmp_path, out, Interrupts())
    supervisor.run_to_end("talker", "sh -c 'printf \"one\\ntwo\\n\"; printf three >&2'")
    assert out.getvalue() == "talker     | one\ntalker     | two\ntalker     | three\n"


def test_a_line_that_must_succeed_and_does_not_is_an_error(tmp_path: Path) -> None:
    supervisor = make_supervisor(tmp_path, io.StringIO(), Interrupts())
    with pytest.raises(LineFailedError, match="release failed with exit code 7"):
        supervisor.run_to_end("release", "sh -c 'exit 7'")


def test_a_group_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = spawn(
        ["sh", "-c", "trap '' TERM; echo deaf; sleep 600 & wait"],
        env=os.environ,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )
    with process, output_of(process) as output:
        assert output.readline() == b"deaf\n"
        stop_groups([(process, signal.SIGTERM)], seconds=0.3)
    assert process.returncode == -signal.SIGKILL


def test_the_procfile_is_read_in_order_and_a_bad_line_is_named(tmp_path: Path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text("# comment\nweb: serve --port $PORT\n\nworker_live: work a:b\n")
    assert list(read_procfile(procfile).items()) == [
        ("web", "serve --port $PORT"),
        ("worker_live", "work a:b"),
    ]
    procfile.write_text("web: serve\nnonsense\n")
    with pytest.raises(EmbeddedError, match="line 2"):
        read_procfile(procfile)


@dataclass(frozen=True)
class Checkout:
    """A directory with this package, a Procfile and stand-ins for the product."""

    path: Path

    @property
    def home(self) -> Path:
        return self.path / ".kinfold"

    @property
    def output(self) -> str:
        return (self.path / "output").read_text()

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """`python -m embedded` in it; killed if the test does not end it."""
        unwanted = ("DATABASE_URL", "REDIS_URL", "PORT", "KINFOLD_HOME", "PYTHONPATH")
        with (self.path / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "embedded"],
                cwd=self.path,
                env={name: text for name, text in os.environ.items() if name not in unwanted},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def wait_for(self, text: str) -> None:
        eventually(lambda: text in self.output, lambda: self.output)

    def process_ids(self) -> list[int]:
        """Of everything a ready stack runs: Postgres, Redis, the worker and its child."""
        env = dict(line.split("=", 1) for line in (self.home / "env").read_text().splitlines())
        worker = [int(pid) for pid in (self.path / "worker.pids").read_text().split()]
        urls = Urls(env["DATABASE_URL"], env["REDIS_URL"])
        return [*service_pids(self.home, urls), *worker]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    path = tmp_path / "checkout"
    shutil.copytree(Path(embedded.__file__).parent, path / "embedded")
    (path / "Procfile").write_text(
        "release: echo migrated\nweb: python web.py\nworker: python worker.py\n"
    )
    (path / "web.py").write_text(WEB)
    (path / "worker.py").write_text(WORKER)
    (path / "workers" / "operations").mkdir(parents=True)
    (path / "workers" / "operations" / "load_sample.py").write_text('print("sample loaded")')
    return Checkout(path)


def test_sigint_ends_the_whole_stack_with_code_0(checkout: Checkout) -> None:
    with checkout.running() as process:
        checkout.wait_for("kinfold is ready")
        pids = checkout.process_ids()
        assert stat.S_IMODE((checkout.home / "env").stat().st_mode) == 0o600
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)  # a second Ctrl-C changes nothing
        assert process.wait(LIMIT_SECONDS) == 0
    assert not any(alive(pid) for pid in pids)
    assert not (checkout.home / "env").exists()

    order = ["DATABASE_URL", "release    | migrated", "sample     | sample loaded"]
    places = [checkout.output.index(text) for text in [*order, "kinfold is ready: http://"]]
    assert places == sorted(places)
    assert checkout.output.count("kinfold is ready") == 1
    assert (checkout.home / "postgres.password").read_text() not in checkout.output
    assert "Traceback" not in checkout.output


@linux_only
def test_after_sigkill_of_the_supervisor_all_are_gone_and_the_next_start_works(
    checkout: Checkout,
) -> None:
    with checkout.running() as process:
        checkout.wait_for("kinfold is ready")
        pids = checkout.process_ids()
        process.kill()
    eventually(lambda: not any(alive(pid) for pid in pids))
    with checkout.running() as process:
        checkout.wait_for("kinfold is ready")
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_SECONDS) == 0


def test_a_second_supervisor_on_the_same_checkout_is_refused(checkout: Checkout) -> None:
    with embedded_services(checkout.home), checkout.running() as process:
        assert process.wait(LIMIT_SECONDS) == 1
    assert f"already running on {checkout.home} (process {os.getpid()})" in checkout.output
    assert "Traceback" not in checkout.output


def test_a_release_that_fails_ends_the_start_and_stops_the_services(checkout: Checkout) -> None:
    (checkout.path / "Procfile").write_text(
        "release: sh -c 'echo no such column; exit 4'\nweb: python web.py\n"
    )
    with checkout.running() as process:
        assert process.wait(LIMIT_SECONDS) == 1
    assert "release    | no such column" in checkout.output
    assert "release failed with exit code 4" in checkout.output
    assert not (checkout.home / "postgres" / "postmaster.pid").exists()


def test_sigint_during_the_release_stops_it_and_the_services(checkout: Checkout) -> None:
    (checkout.path / "Procfile").write_text(
        "release: sh -c 'echo pid $$; exec sleep 600'\nweb: python web.py\n"
    )
    with checkout.running() as process:
        checkout.wait_for("| pid ")
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_SECONDS) == 0
    pid = checkout.output.split("| pid ")[1].split()[0]
    assert not alive(int(pid))
    assert not (checkout.home / "postgres" / "postmaster.pid").exists()


def test_a_service_that_dies_ends_the_stack_with_its_log(checkout: Checkout) -> None:
    with checkout.running() as process:
        checkout.wait_for("kinfold is ready")
        postgres, *others = checkout.process_ids()
        os.kill(postgres, signal.SIGINT)
        assert process.wait(LIMIT_SECONDS) == 1
    assert "postgres ended with exit code 0" in checkout.output
    assert "received fast shutdown request" in checkout.output
    assert not any(alive(pid) for pid in others)


def make_supervisor(cwd: Path, out: io.StringIO, interrupts: Interrupts) -> Supervisor:
    return Supervisor(env=os.environ, cwd=cwd, output=MergedOutput(out), interrupts=interrupts)


@contextmanager
def output_of(process: subprocess.Popen[bytes]) -> Iterator[IO[bytes]]:
    assert process.stdout is not None
    with process.stdout as pipe:
        yield pipe
