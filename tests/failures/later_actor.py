"""An actor of a deployment that is rolled back and comes again; given to Dramatiq as a module."""

import dramatiq
import structlog

from actors.broker import broker
from workers.core.vocabulary import Queue


@dramatiq.actor(queue_name=Queue.live, broker=broker)
def greet_student(student_id: str) -> None:
    """Leaves a trace in the log."""
    structlog.get_logger().info("student_greeted", student_id=student_id)
