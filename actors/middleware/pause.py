"""Paused queues: a worker starts nothing from them and goes on when they are resumed."""

import threading

import dramatiq
import psycopg
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware, SkipMessage
from dramatiq.worker import ConsumerThread, Worker
from psycopg_pool import PoolTimeout

from workers.jobs.queues import is_paused, paused_queues

INTERVAL_S = 1.0


class HoldPaused(Middleware):
    """Start nothing from paused queues: their messages stay and their keys stay due."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._worker: Worker | None = None

    def after_worker_boot(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """Begin to look for pauses."""
        self._worker = worker
        threading.Thread(target=self._run, args=(worker,), daemon=True).start()

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: Worker) -> None:
        """Leave the consumers alone while the worker ends."""
        self._stop.set()

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Put back what had been fetched before the pause.

        Raises:
            SkipMessage: the queue is paused, and the message is in it again.
        """
        if not is_paused(message.queue_name):
            return
        if self._worker is not None:
            hold(self._worker.consumers[message.queue_name])
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
                    hold(consumer)
                elif consumer.paused and not held:
                    release(consumer)


def hold(consumer: ConsumerThread) -> None:
    """Take no more messages until `release`.

    A paused consumer ends only once its queue is empty. One that may hold no message finds it so,
    and those that are put back are not fetched again and again.
    """
    consumer.pause()
    if consumer.consumer is not None:
        consumer.consumer.prefetch = 0  # type: ignore[attr-defined]  # of Redis' consumer


def release(consumer: ConsumerThread) -> None:
    """Let the process take messages again."""
    consumer.resume()
    if consumer.consumer is not None:
        # By a new consumer, unless the thread was held up until now (Redis was slow) and has not
        # noticed the pause: then the old one goes on, and must be allowed to fetch.
        consumer.consumer.prefetch = consumer.prefetch  # type: ignore[attr-defined]
