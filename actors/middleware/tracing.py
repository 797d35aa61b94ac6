"""A message carries its trace, and a job is a step of it."""

import threading

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware
from opentelemetry import context, propagate, trace
from opentelemetry.trace import SpanKind, StatusCode

from workers.core.tracing import TRACER, carried

TRACE = "trace"


class Trace(Middleware):
    """One span per job, in the trace of whoever sent its message."""

    def __init__(self) -> None:
        self._local = threading.local()

    def before_enqueue(
        self, broker: dramatiq.Broker, message: dramatiq.Message[object], delay: int | None
    ) -> None:
        """Put the sender's trace into the message, if there is one."""
        carrier = carried()
        if carrier:
            message.options.setdefault(TRACE, carrier)

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Begin a span in the trace of the message's sender."""
        begun = TRACER.start_span(
            message.actor_name,
            propagate.extract(message.options.get(TRACE, {})),
            SpanKind.CONSUMER,
            {"queue": message.queue_name, "message_id": message.message_id},
        )
        self._local.begun = begun, context.attach(trace.set_span_in_context(begun))

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        """End the span of the message."""
        # One that was skipped by a middleware before this one never began.
        begun, token = vars(self._local).pop("begun", (None, None))
        if begun is None or token is None:
            return
        if exception is not None:
            begun.record_exception(exception)
            begun.set_status(StatusCode.ERROR)
        context.detach(token)
        begun.end()

    after_skip_message = after_process_message
