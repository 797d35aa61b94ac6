"""Runs command lines side by side, starts again what ends, and stops everything it started."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from embedded.children import STOP_SECONDS, group_gone, signal_group, spawn, stop_groups
from embedded.errors import LineFailedError
from embedded.interrupts import Interrupted, Interrupts
from embedded.merged_output import MergedOutput
from embedded.service import Service

TICK_SECONDS = 0.2
DRAIN_SECONDS = 0.1
FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0
STEADY_SECONDS = 60.0


class Line:
    """A command and where it stands: running, ended with its group draining, or waiting."""

    def __init__(self, name: str, command: str) -> None:
        self.name = name
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_at = 0.0
        self.backoff_seconds = FIRST_BACKOFF_SECONDS
        self.kill_at: float | None = None


class Supervisor:
    """Single-threaded; all times are of the monotonic clock, in seconds."""

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        cwd: Path,
        output: MergedOutput,
        interrupts: Interrupts,
        services: Sequence[Service] = (),
    ) -> None:
        self._env = env
        self._cwd = cwd
        self._output = output
        self._interrupts = interrupts
        self._services = services

    def run_to_end(self, name: str, command: str) -> None:
        """Raises LineFailedError unless it ends with 0, Interrupted, or ServiceFailedError."""
        process = self._spawn(name, command)
        try:
            while process.poll() is None:
                self._check()
                self._output.pump(0.05)
        finally:
            self._stop([process])
        if process.returncode != 0:
            raise LineFailedError(name, process.returncode)

    def run(self, commands: Mapping[str, str], on_tick: Callable[[], None] = lambda: None) -> None:
        """Runs them until a signal comes (Interrupted) or a service ends (ServiceFailedError).

        Whatever ends it, the groups of all commands are gone when it raises. `on_tick` is called
        several times a second and delays the merging of output while it runs.
        """
        lines = [Line(name, command) for name, command in commands.items()]
        try:
            while True:
                self._check()
                for line in lines:
                    self._tend(line)
                on_tick()
                self._output.pump(TICK_SECONDS)
        finally:
            self._output.say(f"kinfold is stopping, which takes up to {STOP_SECONDS:.0f} s")
            self._stop([line.process for line in lines if line.process is not None])

    def _check(self) -> None:
        self._interrupts.check()
        if self._output.broken:
            raise Interrupted
        for service in self._services:
            service.check()

    def _tend(self, line: Line) -> None:
        now = time.monotonic()
        if line.process is None:
            if now >= line.start_at:
                line.process = self._spawn(line.name, line.command)
                line.started_at = now
            return
        if line.process.poll() is None:
            return
        if line.kill_at is None:
            self._plan_restart(line, line.process.returncode, now)
        if group_gone(line.process):
            line.process = None
            line.kill_at = None
        elif line.kill_at is not None and now >= line.kill_at:
            signal_group(line.process, signal.SIGKILL)

    def _plan_restart(self, line: Line, code: int, now: float) -> None:
        if now - line.started_at >= STEADY_SECONDS:
            line.backoff_seconds = FIRST_BACKOFF_SECONDS
        line.start_at = now + line.backoff_seconds
        self._output.say(
            f"{line.name} ended ({_reason(code)}); "
            f"starting it again in {line.backoff_seconds:.0f} s"
        )
        line.backoff_seconds = min(line.backoff_seconds * 2, MAX_BACKOFF_SECONDS)
        # Processes it left behind must be gone before the next one starts.
        line.kill_at = now + STOP_SECONDS
        if line.process is not None and not group_gone(line.process):
            signal_group(line.process, signal.SIGTERM)

    def _spawn(self, name: str, command: str) -> subprocess.Popen[bytes]:
        # A shell that stayed would get the signals, also that of our death, in place of the line.
        process = spawn(
            ["sh", "-c", f"exec {command.removeprefix('exec ')}"],
            env=self._env,
            cwd=self._cwd,
            stdout=subprocess.PIPE,
        )
        self._output.follow(name, process)
        return process

    def _stop(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        stop_groups([(process, signal.SIGTERM) for process in processes], pause=self._output.pump)
        self._output.pump(DRAIN_SECONDS)


def _reason(code: int) -> str:
    """Popen's return code in words: 3 → exit code 3, -9 → SIGKILL"""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
