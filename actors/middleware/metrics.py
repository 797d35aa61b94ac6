"""What is counted of every message, and what is kept of one that fails."""

import threading
import time

import dramatiq
import redis
import structlog
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware

from workers.core.metrics import MESSAGE_DURATION, MESSAGES
from workers.core.reasons import traceback_of
from workers.jobs.queues import keep_traceback

log = structlog.get_logger()


class CountMessages(Middleware):
    """Counts messages by how they ended, and how long they took."""

    def __init__(self) -> None:
        self._local = threading.local()

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Start the clock of a message."""
        self._local.started = time.perf_counter()

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Count a message that is done or has failed."""
        took_ms = (time.perf_counter() - self._local.started) * 1000
        MESSAGE_DURATION.observe(took_ms, actor=message.actor_name)
        self._count(message, "done" if exception is None else "failed")

    def after_skip_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Count a message that was put back."""
        self._count(message, "skipped")

    def _count(self, message: MessageProxy, outcome: str) -> None:
        MESSAGES.add(1, queue=message.queue_name, actor=message.actor_name, outcome=outcome)


class KeepTraceback(Middleware):
    """Writes into a failed message what its actor raised, before it becomes a dead letter."""

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """Keep the error while the message is not acknowledged, and its body still in the queue."""
        if exception is None:
            return
        try:
            keep_traceback(
                message.queue_name,
                message.options["redis_message_id"],
                f"{type(exception).__name__}: {exception}",
                traceback_of(exception),
            )
        except redis.RedisError as error:
            log.warning("traceback_not_kept", message_id=message.message_id, error=str(error))
