"""What can be queued. Importing this package declares the broker and every actor."""

from actors.books import (
    build_recommendation_model,
    check_recommendations,
    count_recommendations,
    index_books,
    recompute_book,
    refresh_books,
)
from actors.broker import broker
from actors.documents import cleanup_documents, precompute_batch, precompute_documents
from actors.imports import import_file, prune_imports
from actors.maintenance import forget_readers, prune_history
from actors.neighbors import check_neighbors, index_vectors, rebuild_neighbors, update_neighbors
from actors.students import recompute_student, refresh_students
from actors.users import (
    index_users,
    recompute_post,
    recompute_user,
    recompute_users,
    refresh_posts,
    remove_user,
    score_posts,
)

__all__ = [
    "broker",
    "build_recommendation_model",
    "check_neighbors",
    "check_recommendations",
    "cleanup_documents",
    "count_recommendations",
    "forget_readers",
    "import_file",
    "index_books",
    "index_users",
    "index_vectors",
    "precompute_batch",
    "precompute_documents",
    "prune_history",
    "prune_imports",
    "rebuild_neighbors",
    "recompute_book",
    "recompute_post",
    "recompute_student",
    "recompute_user",
    "recompute_users",
    "refresh_books",
    "refresh_posts",
    "refresh_students",
    "remove_user",
    "score_posts",
    "update_neighbors",
]
