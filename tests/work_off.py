"""What the queue does, without a queue: run the workers until no message is left."""

from collections import deque
from collections.abc import Iterable

from workers.freshness import Kind, WakeUp
from workers.recompute_student import recompute_student
from workers.update_neighbors import update_neighbors

WORKERS = {Kind.student_embedding: recompute_student, Kind.student_neighbors: update_neighbors}


def work_off(wake_ups: Iterable[WakeUp]) -> list[WakeUp]:
    """Run a worker for each wake-up and for those that follow; returns all of them in order."""
    waiting, ran = deque(wake_ups), []
    while waiting:
        wake_up = waiting.popleft()
        ran.append(wake_up)
        waiting.extend(WORKERS[wake_up.kind](wake_up.key))
    return ran
