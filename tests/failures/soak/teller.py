"""A careful client: it tells a story, and repeats what it got no answer to."""

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx

from tests.failures.soak.story import Story
from workers.ingest.events import Event

BATCHES = (1, 1, 2, 3, 5, 8, 13, 150)
ANSWER_S = 8.0


class Teller(threading.Thread):
    """`event_ids` are those of events that were answered with 202; `broken` holds the promises
    that the API has broken.
    """

    def __init__(self, number: int, seed: int, address: str) -> None:
        super().__init__(name=f"teller-{number}", daemon=True)
        self.story = Story(number, seed)
        self.event_ids: list[UUID] = []
        self.duplicates = 0
        self.answers: Counter[str] = Counter()
        self.broken: list[str] = []
        self.posting = threading.Event()
        self.ending = threading.Event()
        self.given_up = threading.Event()
        self._random = random.Random(f"{seed} teller {number}")
        self._url = f"{address}/events"
        self._recent: deque[Sequence[Event]] = deque(maxlen=20)

    def run(self) -> None:
        """Tell until `ending` is set, and then only what has been begun."""
        with httpx.Client(timeout=ANSWER_S) as client:
            self._tell(client, list(self.story.beginning()))
            while not self.ending.is_set():
                size = self._random.choice(BATCHES)
                self._tell(client, [self.story.event() for _ in range(size)])
                if self._random.random() < 0.15:
                    self._tell_again(client, self._random.choice(self._recent))
                self.ending.wait(self._random.uniform(0.02, 0.3))

    def _tell(self, client: httpx.Client, events: Sequence[Event]) -> None:
        answered = self._post(client, events)
        if answered is None:
            return
        accepted, tries = answered
        # The first try may have been stored although its answer got lost: all of it or nothing.
        if accepted["duplicates"] not in ((0,) if tries == 1 else (0, len(events))):
            self.broken.append(f"after {tries} tries of {len(events)} new events: {accepted}")
        for event in events:
            self.story.facts.apply(event)
        self.event_ids += [event.event_id for event in events if event.event_id]
        self._recent.append(events)

    def _tell_again(self, client: httpx.Client, events: Sequence[Event]) -> None:
        answered = self._post(client, events)
        if answered is None:
            return
        accepted, _ = answered
        self.duplicates += accepted["duplicates"]
        if accepted["duplicates"] != len(events):
            self.broken.append(f"sent {len(events)} known events again: {accepted}")

    def _post(
        self, client: httpx.Client, events: Sequence[Event]
    ) -> tuple[dict[str, Any], int] | None:
        """The answer and the number of tries; None if the API stayed away to the end."""
        body = {"events": [e.model_dump(mode="json", exclude_unset=True) for e in events]}
        tries = 0
        while not self.given_up.is_set():
            tries += 1
            self.posting.set()
            try:
                answer = client.post(self._url, json=body)
            except httpx.TransportError as error:
                self.answers[type(error).__name__] += 1
            else:
                self.answers[str(answer.status_code)] += 1
                if answer.status_code == 202:
                    accepted: dict[str, Any] = answer.json()
                    return accepted, tries
                if answer.status_code != 503:
                    self.broken.append(f"POST /events: {answer.status_code} {answer.text[:300]}")
            finally:
                self.posting.clear()
            time.sleep(0.2)
        return None
