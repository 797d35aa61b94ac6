"""Processes of Kinfold that start in a tenth of a second, to be killed and frozen by the dozen.

A server process imports what is heavy once and forks each of them: a worker of the live queue with
Dramatiq's own threads, a front that does what the API and the scheduler do, a rebuild of the graph.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from workers.ingest.events import Event

PRELOADED = [
    "openai",
    "dramatiq.brokers.redis",
    "workers.neighbors.update",
    "tests.failures.forked",
]

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(PRELOADED)


def fork(target: Callable[..., None], log: Path, *args: object) -> ForkServerProcess:
    """Run a function of this module in a process with this test's environment."""
    process = context.Process(target=target, args=(dict(os.environ), log, *args), daemon=True)
    process.start()
    return process


def _begin(environment: dict[str, str], log: Path) -> None:
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())


def worker(environment: dict[str, str], log: Path) -> None:
    """A worker process of the live queue, as the Procfile starts it, until it is killed."""
    _begin(environment, log)
    from dramatiq import Worker

    from actors import broker

    Worker(broker, queues={"live"}, worker_threads=2, worker_timeout=50).start()
    while True:
        signal.pause()


def rebuild(environment: dict[str, str], log: Path) -> None:
    """One run that rebuilds the neighbour graph; a run that is active already is gone on with."""
    _begin(environment, log)
    from workers.core.boot import open_process
    from workers.core.errors import RunActiveError
    from workers.jobs.runs import RunKind, create_run
    from workers.neighbors.rebuild import rebuild_neighbors

    with open_process("command"):
        try:
            run_id = create_run(RunKind.rebuild_neighbors)
        except RunActiveError as error:
            if error.run_id is None:
                return
            run_id = error.run_id
        rebuild_neighbors(run_id)


class Front:
    """The API and the scheduler's reconciler in one process, asked over a pipe."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = context.Pipe()
        self.process = fork(_front, self._log, theirs)
        theirs.close()

    def tell(self, events: Sequence[Event], *, dies: bool = False) -> int:
        """Record events and notify the workers; returns how many were duplicates.

        Args:
            dies: SIGKILL between the commit and the messages, so that nobody answers.

        Raises:
            EOFError: it died; the one that is asked next is a new one.
        """
        return self._ask("tell", list(events), dies)

    def reconcile(self) -> None:
        """One pass of the reconciler."""
        self._ask("reconcile")

    def _ask(self, *question: object) -> int:
        if not self.process.is_alive():
            self._start()
        try:
            self._pipe.send(question)
            answer = self._pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            raise EOFError from None
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, int)
        return answer


def _front(environment: dict[str, str], log: Path, pipe: Connection) -> None:
    _begin(environment, log)
    from actors.reconciler import reconcile
    from scheduler import JOBS
    from workers.core.boot import open_process
    from workers.core.logs import configure_logging

    configure_logging()
    answers: dict[str, Callable[..., object]] = {
        "tell": _tell,
        "reconcile": lambda: reconcile(JOBS),
    }
    with open_process("scheduler"):
        _answer(pipe, answers)


def _answer(pipe: Connection, answers: dict[str, Callable[..., object]]) -> None:
    while True:
        name, *args = pipe.recv()
        try:
            answer = answers[name](*args)
        except Exception as error:  # noqa: BLE001  # it is the asker's
            pipe.send(error)
        else:
            pipe.send(answer or 0)


def _tell(events: list[Event], dies: bool) -> int:
    from actors.notify import notify
    from workers.ingest.record import record_events

    recorded = record_events(events)
    if dies:
        os.kill(os.getpid(), signal.SIGKILL)
    notify(recorded.notifications)
    return recorded.duplicates
