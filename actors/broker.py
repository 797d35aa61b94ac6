"""The broker: Dramatiq on Redis, as transport only.

A message says "look at this key now". Retries and delays live in the ledger, in Postgres, because
those of Dramatiq's are lost when Redis blinks at the wrong moment.
"""

import signal
from contextlib import ExitStack
from itertools import count
from types import FrameType

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware, Retries, TimeLimit

from actors.middleware.heartbeat import Heartbeat
from actors.middleware.logs import BindLogs
from actors.middleware.metrics import CountMessages, KeepTraceback
from actors.middleware.pause import HoldPaused
from actors.middleware.tracing import Trace
from actors.middleware.watchdog import Watchdog
from workers.core.boot import open_process
from workers.core.logs import configure_logging
from workers.core.settings import settings
from workers.core.stores import redis_client
from workers.embedding.embedders import embedder

TIME_LIMIT_MS = 300_000


class OpenProcess(Middleware):
    """Open the worker's process after the fork and close it when its jobs have ended."""

    def __init__(self) -> None:
        self._opened = ExitStack()

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Open stores in the child: a pool opened before the fork would be shared by accident."""
        configure_logging()
        self._opened.enter_context(open_process("worker"))
        embedder(settings().student_embedding)

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Close the process once all threads have ended and nothing uses its clients any more."""
        self._opened.close()


class TermOnce(Middleware):
    """A second SIGTERM means the same as the first.

    Dramatiq takes it for "kill now", and hosts send SIGTERM to every process of a group, so that
    a worker gets its own and the one that its parent passes on.
    """

    def after_process_boot(self, broker: dramatiq.Broker) -> None:
        """Let Dramatiq's own handler see the first signal only."""
        shutdown = signal.getsignal(signal.SIGTERM)
        signals = count()

        def first_only(number: int, frame: FrameType | None) -> None:
            # The second one may interrupt the first right here: only one of them gets the zero.
            if next(signals) == 0 and callable(shutdown):
                shutdown(number, frame)

        signal.signal(signal.SIGTERM, first_only)


broker = RedisBroker(  # type: ignore[no-untyped-call]
    # A request that meets a Redis that hangs waits some seconds and is accepted all the same.
    client=redis_client(str(settings().redis_url), timeout_s=2, retries=1),
    middleware=[
        OpenProcess(),
        TermOnce(),
        BindLogs(),
        CountMessages(),
        KeepTraceback(),
        HoldPaused(),
        Trace(),
        Heartbeat(),
        Watchdog(),
        TimeLimit(time_limit=TIME_LIMIT_MS),
        Retries(max_retries=0),
    ],
    # Messages of a killed worker come back after this; the reconciler does not wait for it.
    heartbeat_timeout=30_000,
    # Out of a million commands: 60 s of heartbeats alone would otherwise rarely trigger it.
    maintenance_chance=100_000,
)
dramatiq.set_broker(broker)
