"""Kinfold's own processes around servers that fail: the Procfile's lines, killed and started."""

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import psutil
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from embedded.ports import free_port
from embedded.procfile import read_procfile
from tests.failures.servers import Servers
from tests.library import rows
from tests.lines import ROOT, SEARCH_PATH
from tests.processes import eventually
from workers.jobs.schedules import register_job

# Short, so that what runs out in production after minutes runs out in a test after seconds.
QUICK = {
    "LEASE_SECONDS": "6",
    "RECONCILE_INTERVAL_SECONDS": "0.5",
    "RESEND_AFTER_SECONDS": "1",
    "RETRY_BASE_SECONDS": "0.2",
    "RETRY_MAX_SECONDS": "2",
    "POSTGRES_POOL_SIZE": "6",
}
PATIENCE_S = 180


class Line:
    """One line of the Procfile as a process group; a restart goes on with its log."""

    def __init__(
        self,
        name: str,
        environment: dict[str, str],
        log: Path,
        edits: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.log = log
        self._environment = environment
        self._edits = edits
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = read_procfile(ROOT / "Procfile")[self.name]
        for old, new in self._edits.items():
            assert old in command, command
            command = command.replace(old, new)
        with self.log.open("ab") as output:
            return subprocess.Popen(
                ["sh", "-c", command],
                cwd=ROOT,
                env={**self._environment, "PATH": SEARCH_PATH, "PYTHONUNBUFFERED": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """To the whole group, as a host does."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL to the group, and wait for its end."""
        if self.running:
            self.signal(signal.SIGKILL)
        self.process.wait()
        # Children of the line are not ours to wait for; they are gone once their group is.
        eventually(self._group_gone)

    def _group_gone(self) -> bool:
        return not any(
            process.info["status"] != psutil.STATUS_ZOMBIE
            for process in psutil.process_iter(["status"])
            if _group_of(process.pid) == self.process.pid
        )

    def end(self) -> None:
        """SIGTERM to the group, and wait until it has ended with exit code 0."""
        self.signal(signal.SIGTERM)
        self.ends_well()

    def ends_well(self) -> None:
        """Wait until it has ended with exit code 0."""
        eventually(lambda: not self.running, lambda: self.output[-5000:], PATIENCE_S)
        assert self.process.returncode == 0, self.output[-5000:]
        eventually(self._group_gone)

    def start(self) -> None:
        """Start it again after its end."""
        assert not self.running
        self.process = self._spawn()

    def restart(self) -> None:
        """Kill and start."""
        self.kill()
        self.start()

    def says(self, words: str, times: int = 1) -> None:
        """Wait until it has logged this."""
        eventually(
            lambda: self.output.count(words) >= times, lambda: self.output[-5000:], PATIENCE_S
        )


def workers_seen() -> int:
    """Worker processes that have said that they are there."""
    return len(rows("SELECT FROM workers"))


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


class Cluster:
    """Servers, and the lines that a test starts on them; the test itself is a client of both."""

    def __init__(self, servers: Servers, log_directory: Path) -> None:
        self.servers = servers
        self._logs = log_directory
        self.lines: list[Line] = []
        self.port = free_port()
        # Whether lines that end by themselves are started again while the test waits.
        self.supervised = False

    def start(self, name: str, edits: Mapping[str, str] | None = None, **changes: object) -> Line:
        """Start a line of the Procfile with the test's environment and what is given.

        Args:
            changes: variables of the environment.
            edits: words of the line, and what is to stand there for this test.
        """
        given = {key: str(value) for key, value in changes.items()}
        log = self._logs / f"{len(self.lines)}-{name}.log"
        line = Line(
            name,
            {**os.environ, "PORT": str(self.port), "HOST": "127.0.0.1", **given},
            log,
            edits or {},
        )
        self.lines.append(line)
        return line

    def start_web(self, **environment: object) -> Line:
        """Start the API and wait until it answers."""
        web = self.start("web", None, **environment)
        self._wait_for_web(web)
        return web

    def start_worker(
        self,
        name: str = "worker",
        edits: Mapping[str, str] | None = None,
        **environment: object,
    ) -> Line:
        """Start a worker, by default of the live queue, and wait until it takes messages."""
        before = workers_seen()
        worker = self.start(name, edits, **environment)
        self._wait_for_worker(worker, before)
        return worker

    def start_scheduler(self, **environment: object) -> Line:
        """Start a scheduler and wait until it leads."""
        scheduler = self.start("scheduler", None, **environment)
        scheduler.says("scheduler_leads")
        return scheduler

    def start_all(self, **environment: object) -> tuple[Line, Line, Line]:
        """Start API, worker and scheduler beside each other; in this order they are returned."""
        before = workers_seen()
        web, worker, scheduler = (
            self.start(name, None, **environment) for name in ("web", "worker", "scheduler")
        )
        self._wait_for_web(web)
        self._wait_for_worker(worker, before)
        scheduler.says("scheduler_leads")
        return web, worker, scheduler

    def _wait_for_web(self, web: Line) -> None:
        eventually(
            lambda: self._status("GET", "/health/live") == 200, lambda: web.output, PATIENCE_S
        )

    def _wait_for_worker(self, worker: Line, before: int) -> None:
        eventually(lambda: workers_seen() > before, lambda: worker.output, PATIENCE_S)

    def send(self, queue: str, actor: str, *arguments: str) -> None:
        """A message straight into a queue, for whoever knows the actor."""
        self._enqueue(queue, actor, [arguments])

    def send_prunings(self, count: int) -> None:
        """So many batch jobs, each a firing of its own that only this message stands for."""
        register_job("prune_history", "30 3 * * *")
        fired = rows(
            "INSERT INTO job_runs (job, slot, last_sent) SELECT 'prune_history',"
            " now() - n * interval '1 ms', 'infinity' FROM generate_series(1, %s) n"
            " RETURNING firing_id::text",
            count,
        )
        self._enqueue("batch", "prune_history", fired)

    def _enqueue(self, queue: str, actor: str, messages: Iterable[tuple[str, ...]]) -> None:
        broker = RedisBroker(url=self.servers.redis.url)  # type: ignore[no-untyped-call]
        for arguments in messages:
            message: Message[None] = Message(
                queue_name=queue, actor_name=actor, args=arguments, kwargs={}, options={}
            )
            broker.enqueue(message)
        broker.client.close()

    def _status(self, method: str, path: str) -> int:
        """0 while nobody answers."""
        try:
            return httpx.request(method, f"http://127.0.0.1:{self.port}{path}").status_code
        except httpx.TransportError:
            return 0

    def post(self, path: str, body: object = None, timeout_s: float = 60) -> httpx.Response:
        """POST to the API."""
        return httpx.post(f"http://127.0.0.1:{self.port}{path}", json=body, timeout=timeout_s)

    def tell(self, events: Sequence[Any], timeout_s: float = 60) -> dict[str, Any]:
        """POST events (models of workers.ingest.events) and expect them to be accepted."""
        body = {"events": [event.model_dump(mode="json", exclude_unset=True) for event in events]}
        answer = self.post("/events", body, timeout_s)
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted

    def get(self, path: str) -> dict[str, Any]:
        """GET from the API, which is expected to answer with 200."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def output(self) -> str:
        """The end of every line's log, for the message of a test that fails."""
        return "\n".join(f"--- {line.log.name}\n{line.output[-3000:]}" for line in self.lines)

    def all_fresh(self, keys: int | None = None) -> None:
        """Wait until nothing is stale or dead any more, of at least so many keys."""
        eventually(lambda: self._fresh(keys), self._not_fresh, PATIENCE_S)

    def settled(self) -> None:
        """Wait until every key is fresh or dead."""
        eventually(self._settled, self._not_fresh, PATIENCE_S)

    def tend(self) -> None:
        """Start lines again that have ended, as a host does."""
        for line in self.lines:
            if not line.running:
                line.restart()

    def _settled(self) -> bool:
        if self.supervised:
            self.tend()
        return not rows("SELECT FROM freshness WHERE wanted > done AND dead_at IS NULL")

    def _fresh(self, keys: int | None) -> bool:
        if self.supervised:
            self.tend()
        ((stale, total),) = rows(
            "SELECT count(*) FILTER (WHERE wanted > done OR dead_at IS NOT NULL), count(*)"
            " FROM freshness"
        )
        return stale == 0 and (keys is None or total >= keys)

    def _not_fresh(self) -> str:
        stale = rows("SELECT to_jsonb(f) FROM freshness f WHERE wanted > done LIMIT 20")
        return f"{stale}\n{self.output()}"

    def stop(self) -> None:
        """Kill every line; a frozen one too."""
        for line in self.lines:
            line.kill()
