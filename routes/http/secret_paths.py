"""Paths that hold a secret: logs name their route instead."""

from collections.abc import Mapping
from typing import Any

# Behind it stands a reader's code, which opens their list.
READERS = "/readers/"


def path_for_logs(scope: Mapping[str, Any]) -> str:
    """Name a request's path as a log may: of one with a reader's code its route, or its beginning.

    >>> path_for_logs({"path": "/books/B1"}), path_for_logs({"path": "/readers/abc/nothing"})
    ('/books/B1', '/readers/')
    """
    path: str = scope["path"]
    if not path.startswith(READERS):
        return path
    return getattr(scope.get("route"), "path", READERS)
