"""A reader that looks all the time: at everything derived in one moment, and through the API."""

import random
import threading
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import psycopg

from tests.failures.whole import Snapshot, half_written, take_snapshot
from workers.core.settings import settings

BETWEEN_LOOKS_S = 0.4


class Reader(threading.Thread):
    """`half_written` are the violations seen, `longest_s` the longest staleness seen per kind.

    That of keys which were dead and came back is not counted: they waited for an event.
    """

    def __init__(self, seed: int, address: str) -> None:
        super().__init__(name="reader", daemon=True)
        self.looks = 0
        self.half_written: list[str] = []
        self.longest_s: dict[str, float] = {}
        self.answers: Counter[str] = Counter()
        self.broken: list[str] = []
        self.ending = threading.Event()
        self._random = random.Random(f"{seed} reader")
        self._address = address
        self._were_dead: set[tuple[str, str]] = set()

    def run(self) -> None:
        """Look until `ending` is set; a server that is away is waited for."""
        while not self.ending.is_set():
            try:
                with psycopg.connect(
                    str(settings().database_url), autocommit=True, connect_timeout=5
                ) as conn:
                    self._look_on(conn)
            except psycopg.OperationalError:
                self.ending.wait(BETWEEN_LOOKS_S)

    def _look_on(self, conn: psycopg.Connection) -> None:
        with httpx.Client(timeout=8) as client:
            while not self.ending.wait(BETWEEN_LOOKS_S):
                snapshot = take_snapshot(conn)
                self.looks += 1
                looked_at = datetime.now(UTC).isoformat(timespec="milliseconds")
                self.half_written += [f"{looked_at} {each}" for each in half_written(snapshot)]
                self._note_staleness(snapshot)
                if snapshot.vectors:
                    self._read_neighbors(client, self._random.choice(list(snapshot.vectors)))

    def _note_staleness(self, snapshot: Snapshot) -> None:
        self._were_dead = (self._were_dead & snapshot.stale_s.keys()) | snapshot.dead
        for (kind, key), age_s in snapshot.stale_s.items():
            if (kind, key) not in self._were_dead:
                self.longest_s[kind] = max(self.longest_s.get(kind, 0.0), age_s)

    def _read_neighbors(self, client: httpx.Client, student_id: str) -> None:
        path = f"/students/{quote(student_id, safe='')}/neighbors"
        try:
            answer = client.get(self._address + path)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            return
        self.answers[str(answer.status_code)] += 1
        if answer.status_code == 200:
            found = [(n["student_id"], n["similarity"]) for n in answer.json()["neighbors"]]
            sims = [sim for _, sim in found]
            names = {name for name, _ in found}
            if (
                len(names) != len(found)
                or student_id in names
                or sims != sorted(sims, reverse=True)
                or len(found) > settings().max_neighbors
            ):
                self.half_written.append(f"GET {path}: {found}")
        elif answer.status_code not in (404, 503):
            self.broken.append(f"GET {path}: {answer.status_code} {answer.text[:300]}")
