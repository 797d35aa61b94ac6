"""The Procfile's lines, each started again when it ends, as a host does."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx

from embedded.ports import free_port
from tests.failures.cluster import Line

LINES = {
    "web": "web",
    "worker 1": "worker",
    "worker 2": "worker",
    "batch": "batch",
    "scheduler": "scheduler",
}
LOOK_S = 0.1
END_S = 40.0


class Crew:
    """Lines by name; `starts` counts how often each was started again, by its exit code."""

    def __init__(self, logs: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.starts: Counter[str] = Counter()
        self._locks = {name: threading.Lock() for name in LINES}
        environment = {**os.environ, "HOST": "127.0.0.1", "PORT": str(self.port)}
        self.lines = {
            name: Line(line, environment, logs / f"{name.replace(' ', '-')}.log", {})
            for name, line in LINES.items()
        }
        self._ending = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()

    def _supervise(self) -> None:
        while not self._ending.wait(LOOK_S):
            for name, lock in self._locks.items():
                if lock.acquire(blocking=False):  # who holds it will let go
                    try:
                        self._look_after(name)
                    finally:
                        lock.release()

    def _look_after(self, name: str) -> None:
        line = self.lines[name]
        if line.running:
            return
        self.starts[f"{name} ({line.process.returncode})"] += 1
        print(
            f"{datetime.now(UTC):%H:%M:%S} {name} ended with {line.process.returncode}", flush=True
        )
        with suppress(ProcessLookupError):
            line.signal(signal.SIGKILL)  # what it has left behind
        line.restart()

    @contextmanager
    def held(self, name: str) -> Iterator[Line]:
        """A line that the supervisor leaves alone inside the block."""
        with self._locks[name]:
            yield self.lines[name]

    def signal(self, name: str, number: signal.Signals) -> None:
        """To the line's whole group, unless it has ended just now."""
        with self.held(name) as line:
            if line.running:
                line.signal(number)

    def answers(self) -> bool:
        """Whether the API does."""
        try:
            return httpx.get(f"{self.address}/health/live").status_code == 200
        except httpx.TransportError:
            return False

    def end(self) -> dict[str, int]:
        """SIGTERM to every line, and their exit codes; what does not end is killed."""
        self._ending.set()
        self._supervisor.join()
        for line in self.lines.values():
            if line.running:
                line.signal(signal.SIGTERM)
        deadline = time.monotonic() + END_S
        while any(line.running for line in self.lines.values()) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        for line in self.lines.values():
            line.kill()
        return {name: line.process.returncode for name, line in self.lines.items()}
