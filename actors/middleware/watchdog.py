"""The watchdog: a process with a dead thread ends, and its supervisor starts another."""

import os
import signal
import threading
import time

import dramatiq
import structlog
from dramatiq.middleware import Middleware
from dramatiq.worker import Worker

INTERVAL_S = 1.0
# After this a process that was asked to end is ended.
SHUTDOWN_LIMIT_S = 25.0

log = structlog.get_logger()


class Watchdog(Middleware):
    """End the process when one of its threads is dead, so that its supervisor starts a new one.

    Dramatiq does not notice: a consumer whose Redis does not answer while a delayed message falls
    due dies of it, and the process looks healthy but takes no more messages.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """Begin to watch the worker's threads."""
        threading.Thread(target=self._run, args=(worker,), daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """End the watch: from now on threads end because they are asked to."""
        self._stop.set()

    def _run(self, worker: Worker) -> None:
        while not self._stop.wait(INTERVAL_S):
            threads = [*worker.consumers.values(), *worker.workers]
            dead = [thread.name for thread in threads if not thread.is_alive()]
            if dead and not self._stop.is_set():
                log.critical("worker_thread_dead", threads=dead)
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(SHUTDOWN_LIMIT_S)
                os._exit(1)
