"""Heartbeats: a worker process says that it is alive and what its threads are at."""

import os
import socket
import threading
from datetime import UTC, datetime

import dramatiq
import psycopg
import structlog
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware
from dramatiq.worker import Worker
from psycopg_pool import PoolTimeout

from workers.core.worker_name import process_name
from workers.jobs.heartbeats import CurrentJob, beat, leave

INTERVAL_S = 1.0

log = structlog.get_logger()


class Heartbeat(Middleware):
    """Say every second that the process is alive and what its threads are at."""

    def __init__(self) -> None:
        self._jobs: dict[str, CurrentJob] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Note that a job begins."""
        self._jobs[message.message_id] = CurrentJob(
            message.message_id,
            message.actor_name,
            tuple(message.args),
            message.queue_name,
            datetime.now(UTC).isoformat(),
        )

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Note that a job has ended, one way or the other."""
        self._jobs.pop(message.message_id, None)

    def after_skip_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Note that a job has been left out."""
        self._jobs.pop(message.message_id, None)

    def after_worker_boot(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """Begin; the stores are open by now."""
        self._thread = threading.Thread(target=self._run, args=(worker,), daemon=True)
        self._thread.start()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """Stop the beat: the last job has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=INTERVAL_S)
        try:
            leave(process_name())
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("worker_not_signed_off", error=str(error))

    def _run(self, worker: Worker) -> None:
        started_at = datetime.now(UTC)
        while not self._stop.is_set():
            try:
                beat(
                    worker=process_name(),
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    queues=sorted(name for name in worker.consumers if not name.endswith(".DQ")),
                    threads=worker.worker_threads,
                    started_at=started_at,
                    jobs=list(self._jobs.values()),
                )
            except (psycopg.Error, PoolTimeout) as error:
                log.warning("heartbeat_missed", error=str(error))
            self._stop.wait(INTERVAL_S)
