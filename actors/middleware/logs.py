"""Log lines of a job carry its message and the request that led to it."""

import dramatiq
import structlog
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware

REQUEST_ID = "request_id"


class BindLogs(Middleware):
    """Passes a request's id on with its messages, and binds both to what their jobs log."""

    def before_enqueue(
        self, broker: dramatiq.Broker, message: dramatiq.Message[object], delay: int | None
    ) -> None:
        """Pass on the id that the sending job was given."""
        bound = structlog.contextvars.get_contextvars()
        if REQUEST_ID in bound:
            message.options.setdefault(REQUEST_ID, bound[REQUEST_ID])

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Bind the message's ids to the log lines of the thread that takes it up."""
        structlog.contextvars.clear_contextvars()
        given = message.options.get(REQUEST_ID)
        structlog.contextvars.bind_contextvars(
            message_id=message.message_id,
            actor=message.actor_name,
            **({REQUEST_ID: given} if given else {}),
        )
