"""What can be queued. Importing this package declares the broker and every actor."""

from actors.broker import broker
from actors.check_neighbors import check_neighbors
from actors.cleanup_documents import cleanup_documents
from actors.index_users import index_users
from actors.index_vectors import index_vectors
from actors.precompute_batch import precompute_batch
from actors.precompute_documents import precompute_documents
from actors.prune_history import prune_history
from actors.rebuild_neighbors import rebuild_neighbors
from actors.recompute_post import recompute_post
from actors.recompute_student import recompute_student
from actors.recompute_users import recompute_user, recompute_users
from actors.refresh_posts import refresh_posts
from actors.refresh_students import refresh_students
from actors.remove_user import remove_user
from actors.score_posts import score_posts
from actors.update_neighbors import update_neighbors

__all__ = [
    "broker",
    "check_neighbors",
    "cleanup_documents",
    "index_users",
    "index_vectors",
    "precompute_batch",
    "precompute_documents",
    "prune_history",
    "rebuild_neighbors",
    "recompute_post",
    "recompute_student",
    "recompute_user",
    "recompute_users",
    "refresh_posts",
    "refresh_students",
    "remove_user",
    "score_posts",
    "update_neighbors",
]
