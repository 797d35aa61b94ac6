"""Steps drawn at random for processes that work side by side, and the processes themselves."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psycopg

from tests.embeddings_server import EmbeddingsServer, Fault
from tests.failures.cluster import Cluster
from tests.failures.forked import Front, fork, rebuild, worker
from tests.failures.soak.story import Story
from tests.library import change, make_due, rows
from tests.processes import eventually
from workers.core.stores import connect
from workers.jobs.stalled_sessions import end_stalled_sessions
from workers.neighbors.changes import lock_graph

WORKERS = 2
FAULTS = (
    Fault("status", code=500),
    Fault("status", code=429, retry_after="0.1"),
    Fault("drop"),
    Fault("nan"),
    Fault("wrong_count"),
    Fault("status", code=401),
)
# A step that waits for the middle of something goes on if there is nothing to be in the middle of.
MIDDLE_S = 1.0


class Play:
    """The steps, and the processes that they are about."""

    def __init__(
        self, cluster: Cluster, provider: EmbeddingsServer, seed: int, directory: Path
    ) -> None:
        self.cluster = cluster
        self.provider = provider
        self.random = random.Random(seed)
        self.story = Story(0, seed, students=25, books=12)
        self.taken: list[str] = []
        self._log = directory / "log"
        self._front = Front(self._log)
        self._at_work: list[ForkServerProcess] = []
        self._frozen: list[ForkServerProcess] = []
        self._forked: list[ForkServerProcess] = []
        self._last_sent = list(self.story.beginning())
        self._steps: dict[Callable[[], None], int] = {
            self.tell: 10,
            self.tell_and_die: 3,
            self.tell_again: 2,
            self.start_a_worker: 5,
            self.kill: 3,
            self.kill_while_the_provider_thinks: 3,
            self.kill_while_it_writes: 3,
            self.freeze: 3,
            self.thaw: 3,
            self.let_leases_run_out: 4,
            self.wipe_redis: 2,
            self.reconcile: 6,
            self.cut_connections: 2,
            self.break_the_provider: 2,
            self.rebuild_beside: 2,
            self.let_it_work: 4,
        }

    def step(self) -> None:
        """Take a random one."""
        (chosen,) = self.random.choices(list(self._steps), list(self._steps.values()))
        self.taken.append(chosen.__name__)
        chosen()

    def tell(self, *, dies: bool = False) -> None:
        """Until it is answered, as a careful client does it."""
        events = [self.story.event() for _ in range(self.random.choice([1, 1, 2, 5, 20]))]
        if self.story.facts.students == {}:
            events = self._last_sent
        tries = 0
        while True:
            tries += 1
            try:
                duplicates = self._front.tell(events, dies=dies and tries == 1)
            except (EOFError, psycopg.OperationalError):
                continue
            break
        # What nobody answered has been stored all the same, or not at all.
        assert duplicates in ((0,) if tries == 1 else (0, len(events)))
        for event in events:
            self.story.facts.apply(event)
        self._last_sent = events

    def tell_and_die(self) -> None:
        """The API is killed between the commit and the message."""
        self.tell(dies=True)

    def tell_again(self) -> None:
        """The same ids: nothing happens."""
        if self.story.facts.students:
            with suppress(psycopg.OperationalError):
                assert self._front.tell(self._last_sent) == len(self._last_sent)

    def start_a_worker(self) -> None:
        """Up to two are at work, besides those that are frozen."""
        self._at_work = [process for process in self._at_work if process.is_alive()]
        if len(self._at_work) < WORKERS:
            self._fork(worker)

    def kill(self) -> None:
        """Wherever it is."""
        if self._at_work:
            self._kill(self._at_work.pop(self.random.randrange(len(self._at_work))))

    def kill_while_the_provider_thinks(self) -> None:
        """Between claim and result."""
        asked = len(self.provider.requests)
        with _held_answers(self.provider):
            self.tell()
            self.start_a_worker()
            _wait_a_little(lambda: len(self.provider.requests) > asked)
            self.kill()

    def kill_while_it_writes(self) -> None:
        """Inside a transaction that holds keys of the ledger or waits for the graph."""
        self.tell()
        self.start_a_worker()
        with connect() as conn, conn.transaction():
            lock_graph(conn)
            _wait_a_little(
                lambda: rows("SELECT FROM pg_stat_activity WHERE wait_event = 'advisory'")
            )
            self.kill()

    def freeze(self) -> None:
        """It does not know that time passes; one at a time."""
        if self._at_work and not self._frozen:
            process = self._at_work.pop()
            with suppress(ProcessLookupError):
                os.kill(process.pid or 0, signal.SIGSTOP)
            self._frozen.append(process)

    def thaw(self) -> None:
        """It goes on with what it had, whoever has it now."""
        for process in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(process.pid or 0, signal.SIGCONT)
            self._at_work.append(process)
        self._frozen = []

    def let_leases_run_out(self) -> None:
        """Also those of workers that are well: late for the server, not for themselves."""
        if self._frozen:
            # In the middle of a pipeline it would hold its rows for ever: no scheduler runs here.
            end_stalled_sessions(stalled_ms=0)
        change("UPDATE freshness SET lease_until = now() WHERE lease_token IS NOT NULL")
        change("UPDATE runs SET lease_until = now() WHERE lease_token IS NOT NULL")

    def wipe_redis(self) -> None:
        """Messages, limits and pauses of the provider."""
        self.cluster.servers.wipe_redis()

    def reconcile(self) -> None:
        """Some seconds later."""
        make_due()
        with suppress(psycopg.OperationalError):
            self._front.reconcile()

    def cut_connections(self) -> None:
        """As when Postgres is restarted."""
        with connect() as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def break_the_provider(self) -> None:
        """For its next answers."""
        self.provider.fail_next(self.random.choice(FAULTS), self.random.randint(1, 2))

    def rebuild_beside(self) -> None:
        """All lists from scratch, while students move."""
        self._at_work = [process for process in self._at_work if process.is_alive()]
        self._fork(rebuild)

    def let_it_work(self) -> None:
        """Until all is settled, if it gets there."""
        _wait_a_little(lambda: not _unsettled())

    def settle(self) -> None:
        """Nothing goes wrong any more: every key becomes fresh or dead."""
        self.thaw()
        for process in self._at_work:
            self._kill(process)
        self._at_work = []
        self.provider.faults.clear()
        self.wipe_redis()
        self.let_leases_run_out()
        for _ in range(WORKERS):
            self._fork(worker)

        def settled() -> bool:
            self.reconcile()
            return not _unsettled()

        eventually(settled, lambda: f"{self.taken}\n{_unsettled()[:5]}\n{self.output}", 120)

    @property
    def output(self) -> str:
        """The end of what the processes said."""
        return self._log.read_text()[-5000:]

    def _fork(self, target: Callable[..., None]) -> None:
        process = fork(target, self._log)
        self._forked.append(process)
        self._at_work.append(process)

    def kill_all(self) -> None:
        """The frozen ones, too."""
        for process in [*self._forked, self._front.process]:
            self._kill(process)

    @staticmethod
    def _kill(process: ForkServerProcess) -> None:
        process.kill()
        process.join()


@contextmanager
def _held_answers(provider: EmbeddingsServer) -> Iterator[None]:
    """The provider has got the question and does not answer before the end of the block."""
    goes_on = threading.Event()
    provider.before_answer = lambda _: goes_on.wait()
    try:
        yield
    finally:
        provider.before_answer = None
        goes_on.set()


def _wait_a_little(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + MIDDLE_S
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError):  # ours have been cut as well
            if true():
                return
        time.sleep(0.02)


def _unsettled() -> list[tuple[Any, ...]]:
    return rows("SELECT to_jsonb(f) FROM freshness f WHERE wanted > done AND dead_at IS NULL")
