"""Something that holds whoever comes to it, until the test lets go."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.processes import eventually
from workers.core.settings import settings
from workers.core.stores import connection


class Held:
    """For `before_answer` of the provider: its next requests wait until they are let go."""

    def __init__(self, requests: int = 1) -> None:
        self._left = requests
        self._open = threading.Event()
        self._lock = threading.Lock()
        self.waiting: list[list[str]] = []

    def __call__(self, texts: list[str]) -> None:
        """A request comes; one that nobody lets go waits longer than any test."""
        with self._lock:
            holds = self._left > 0
            self._left -= 1
        if holds:
            self.waiting.append(texts)
            self._open.wait(600)

    def wait_for(self, requests: int = 1) -> None:
        """Wait until so many requests wait here."""
        eventually(lambda: len(self.waiting) >= requests, lambda: str(self.waiting))

    def let_go(self) -> None:
        """Answer those that wait, and hold no more."""
        self._left = 0
        self._open.set()


@contextmanager
def locked(statement: str) -> Iterator[psycopg.Connection]:
    """A lock of the test's own session, taken by `statement`, until the block ends."""
    with psycopg.connect(str(settings().database_url)) as conn:
        conn.execute(statement.encode())
        yield conn


def storing(words: str) -> int:
    """How many sessions wait for a lock in a statement that contains these words.

    Autovacuum may wait, too, and the reconciler as it tidies up.
    """
    with connection() as conn:
        row = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND datname = current_database() AND position(%s IN query) > 0",
            [words],
        ).fetchone()
    assert row is not None
    return int(row[0])
