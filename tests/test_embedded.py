"""The embedded stack, with real processes: what it starts answers, and nothing is left behind."""

import io
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psycopg
import pytest
import redis

import embedded
from embedded.children import spawn, stop_groups
from embedded.errors import AlreadyRunningError, EmbeddedError, LineFailedError
from embedded.interrupts import Interrupted, Interrupts
from embedded.merged_output import MergedOutput
from embedded.ports import claimed_web_port
from embedded.procfile import read_procfile
from embedded.service import masked
from embedded.services import Urls, embedded_services
from embedded.supervise import Supervisor

LIMIT_SECONDS = 60

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


def test_services_answer_and_leave_no_process(tmp_path: Path) -> None:
    with embedded_services(tmp_path / "home") as urls:
        assert query(urls, "SELECT current_database(), current_setting('fsync')") == (
            "kinfold",
            "off",
        )
        pids = service_pids(tmp_path / "home", urls)
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


def test_a_second_start_keeps_the_data(tmp_path: Path) -> None:
    with embedded_services(tmp_path, durable=True) as urls:
        query(urls, "SELECT current_setting('fsync')")
        with psycopg.connect(urls.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis.from_url(urls.redis_url) as client:
            client.set("kept", "42")
    with embedded_services(tmp_path, durable=True) as urls:
        assert query(urls, "SELECT answer FROM kept") == (42,)
        with redis.Redis.from_url(urls.redis_url) as client:
            assert client.get("kept") == b"42"
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_two_homes_run_side_by_side(tmp_path: Path) -> None:
    with (
        embedded_services(tmp_path / "one") as one,
        embedded_services(tmp_path / "two") as two,
    ):
        assert one.database_url != two.database_url
        for urls, number in ((one, 1), (two, 2)):
            with psycopg.connect(urls.database_url) as connection:
                connection.execute(f"CREATE TABLE mine AS SELECT {number} AS number")
        assert query(one, "SELECT number FROM mine") == (1,)
        assert query(two, "SELECT number FROM mine") == (2,)


def test_passwords_are_needed_private_and_not_in_the_process_list(tmp_path: Path) -> None:
    with embedded_services(tmp_path) as urls:
        listing = subprocess.run(
            ["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True
        ).stdout
        assert str(tmp_path / "postgres") in listing
        for name in ("postgres", "redis"):
            file = tmp_path / f"{name}.password"
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert len(file.read_text()) >= 32
            assert file.read_text() not in listing
        password = (tmp_path / "postgres.password").read_text()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(urls.database_url.replace(password, "wrong"))
        password = (tmp_path / "redis.password").read_text()
        without = urls.redis_url.replace(f":{password}@", "")
        with (
            redis.Redis.from_url(without) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_a_home_held_by_a_live_supervisor_is_refused_with_its_process_id(tmp_path: Path) -> None:
    refused = rf"already running .*process {os.getpid()}\)"
    with (
        embedded_services(tmp_path),
        pytest.raises(AlreadyRunningError, match=refused),
        embedded_services(tmp_path),
    ):
        pass


def test_a_postmaster_pid_left_by_a_killed_server_does_not_matter(tmp_path: Path) -> None:
    with embedded_services(tmp_path) as urls:
        lines = (tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()
    # The process id in it is in use again, by a process that Postgres could take for a server.
    (tmp_path / "postgres" / "postmaster.pid").write_text(
        "\n".join([str(os.getpid()), *lines[1:]]) + "\n"
    )
    with embedded_services(tmp_path) as urls:
        assert query(urls, "SELECT 1") == (1,)


def test_a_cluster_whose_making_was_cut_short_is_made_again(tmp_path: Path) -> None:
    half_made = tmp_path / "postgres.new" / "data"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with embedded_services(tmp_path) as urls:
        assert query(urls, "SELECT 1") == (1,)


def test_masked_urls_do_not_show_the_password() -> None:
    assert masked("postgresql://me:secret@host:1/db") == "postgresql://me:***@host:1/db"
    assert masked("redis://:secret@host:1/0") == "redis://:***@host:1/0"
    assert masked("redis://host:1/0") == "redis://host:1/0"


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


def test_two_runs_that_start_together_choose_different_web_ports() -> None:
    with claimed_web_port(None) as one, claimed_web_port(None) as two:
        assert one != two
        with (
            pytest.raises(EmbeddedError, match="not a free port"),
            claimed_web_port(str(one)),
        ):
            pass


def test_a_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with (
            pytest.raises(EmbeddedError, match=f"PORT is {port}, which is not a free port"),
            claimed_web_port(str(port)),
        ):
            pass


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
    (path / "workers").mkdir()
    (path / "workers" / "load_sample.py").write_text('print("sample loaded")')
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


def query(urls: Urls, sql: str) -> tuple[object, ...] | None:
    with psycopg.connect(urls.database_url) as connection:
        return connection.execute(sql.encode()).fetchone()


def service_pids(home: Path, urls: Urls) -> tuple[int, int]:
    """Postgres', then Redis'."""
    postmaster = (home / "postgres" / "postmaster.pid").read_text().splitlines()[0]
    with redis.Redis.from_url(urls.redis_url) as client:
        return int(postmaster), int(client.info("server")["process_id"])


def alive(pid: int) -> bool:
    """A zombie is not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return state.strip() != "" and not state.startswith("Z")


def eventually(true: Callable[[], bool], otherwise: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not true():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.05)


def make_supervisor(cwd: Path, out: io.StringIO, interrupts: Interrupts) -> Supervisor:
    return Supervisor(env=os.environ, cwd=cwd, output=MergedOutput(out), interrupts=interrupts)


@contextmanager
def output_of(process: subprocess.Popen[bytes]) -> Iterator[IO[bytes]]:
    assert process.stdout is not None
    with process.stdout as pipe:
        yield pipe
