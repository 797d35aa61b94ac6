"""A worker process's pulse: its heartbeats, the watch over its threads, and paused queues."""

import os
import signal
import socket
import threading
import time
from datetime import UTC, datetime

import dramatiq
import psycopg
import structlog
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware, SkipMessage
from dramatiq.worker import ConsumerThread, Worker
from psycopg_pool import PoolTimeout

from workers.core.worker_name import process_name
from workers.jobs.heartbeats import CurrentJob, beat, leave
from workers.jobs.queues import is_paused, paused_queues

INTERVAL_S = 1.0
# After this a process that was asked to end is ended.
SHUTDOWN_LIMIT_S = 25.0

log = structlog.get_logger()


class Heartbeat(Middleware):
    """Says every second that the process is alive and what its threads are at."""

    def __init__(self) -> None:
        self._jobs: dict[str, CurrentJob] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """A job begins."""
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
        """A job has ended, one way or the other."""
        self._jobs.pop(message.message_id, None)

    def after_skip_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """A job has been left out."""
        self._jobs.pop(message.message_id, None)

    def after_worker_boot(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """Begin; the stores are open by now."""
        self._thread = threading.Thread(target=self._run, args=(worker,), daemon=True)
        self._thread.start()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """The last job has ended."""
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


class Watchdog(Middleware):
    """Ends the process when one of its threads is dead, so that its supervisor starts a new one.

    Dramatiq does not notice: a consumer whose Redis does not answer while a delayed message falls
    due dies of it, and the process looks healthy but takes no more messages.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """Begin."""
        threading.Thread(target=self._run, args=(worker,), daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """From now on threads end because they are asked to."""
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


class HoldPaused(Middleware):
    """Starts nothing from paused queues: their messages stay and their keys stay due."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._worker: Worker | None = None

    def after_worker_boot(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """Begin to look for pauses."""
        self._worker = worker
        threading.Thread(target=self._run, args=(worker,), daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """Leave the consumers alone."""
        self._stop.set()

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Put back what had been fetched before the pause.

        Raises:
            SkipMessage: the queue is paused, and the message is in it again.
        """
        if not is_paused(message.queue_name):
            return
        if self._worker is not None:
            _hold(self._worker.consumers[message.queue_name])
        broker.enqueue(message.copy())
        raise SkipMessage(f"queue {message.queue_name} is paused")

    def _run(self, worker: Worker) -> None:
        while not self._stop.wait(INTERVAL_S):
            try:
                paused = paused_queues()
            except (psycopg.Error, PoolTimeout):
                continue
            for name, consumer in list(worker.consumers.items()):
                held = name.removesuffix(".DQ") in paused
                if held and not consumer.paused:
                    _hold(consumer)
                elif consumer.paused and not held:
                    _release(consumer)


def _hold(consumer: ConsumerThread) -> None:
    """Take no more messages until `_release`.

    A paused consumer ends only once its queue is empty. One that may hold no message finds it so,
    and those that are put back are not fetched again and again.
    """
    consumer.pause()
    if consumer.consumer is not None:
        consumer.consumer.prefetch = 0  # type: ignore[attr-defined]  # of Redis' consumer


def _release(consumer: ConsumerThread) -> None:
    """Take messages again."""
    consumer.resume()
    if consumer.consumer is not None:
        # By a new consumer, unless the thread was held up until now (Redis was slow) and has not
        # noticed the pause: then the old one goes on, and must be allowed to fetch.
        consumer.consumer.prefetch = consumer.prefetch  # type: ignore[attr-defined]
