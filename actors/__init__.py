"""What can be queued. Importing this package declares the broker and every actor."""

from actors.broker import broker
from actors.prune_history import prune_history
from actors.recompute_student import recompute_student
from actors.refresh_students import refresh_students
from actors.update_neighbors import update_neighbors

__all__ = [
    "broker",
    "prune_history",
    "recompute_student",
    "refresh_students",
    "update_neighbors",
]
