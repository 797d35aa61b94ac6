"""A person asks for one student's recomputation: an event like any other, without facts."""

from uuid import UUID, uuid4

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import transaction
from workers.core.vocabulary import Kind
from workers.ingest.record import log_effects, log_events
from workers.ledger.freshness import Notification, mark_stale

FIND_STUDENT = query("students/request.find_student")


def request_recompute(student_id: str) -> tuple[UUID, Notification]:
    """Make a student's embedding stale; a dead one gets a new chance.

    Returns:
        The id of the event, and the message to send.

    Raises:
        UnknownKeyError: there is no such student.
    """
    event_id = uuid4()
    with transaction() as conn:
        log_events(conn, {event_id: "student_recompute_requested"})
        # The ledger first, as a deletion does it: in the other order the two could deadlock.
        wanted = mark_stale(conn, Kind.student_embedding, {student_id: event_id})
        if conn.execute(FIND_STUDENT, {"student_id": student_id}).fetchone() is None:
            raise UnknownKeyError("unknown_student", student_id)
        log_effects(conn, Kind.student_embedding, {student_id: [event_id]}, wanted)
    return event_id, Notification(Kind.student_embedding, student_id)
