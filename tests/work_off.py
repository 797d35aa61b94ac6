"""What the queue does, without a queue: run the workers until no message is left."""

from collections import deque
from collections.abc import Iterable

from workers.books.vectors import recompute_book
from workers.core.vocabulary import Kind
from workers.ledger.freshness import Notification
from workers.neighbors.update import update_neighbors
from workers.students.recompute import recompute_student
from workers.users.posts import recompute_post
from workers.users.recompute import recompute_user
from workers.users.remove import remove_user

WORKERS = {
    Kind.student_embedding: recompute_student,
    Kind.student_neighbors: update_neighbors,
    Kind.book_embedding: recompute_book,
    Kind.post_embedding: recompute_post,
    Kind.user_embedding: recompute_user,
    Kind.user_removal: remove_user,
}


def about_students(notifications: Iterable[Notification]) -> list[Notification]:
    """Those that are not about a book's own vector, for tests that count what students cost."""
    return [each for each in notifications if each.kind is not Kind.book_embedding]


def work_off(notifications: Iterable[Notification]) -> list[Notification]:
    """Run a worker for each notification and those that follow; returns all of them in order."""
    waiting, ran = deque(notifications), []
    while waiting:
        notification = waiting.popleft()
        ran.append(notification)
        waiting.extend(WORKERS[notification.kind](notification.key))
    return ran
