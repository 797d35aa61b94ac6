"""Lists of events that wait for the same commit, on the event loop.

Nobody waits for company: whoever finds no commit under way begins one at once, and those who come
meanwhile are the next group. In threads each of them would take one, and mostly hand the
interpreter around (bench/events.py).
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from workers.events import Event
from workers.record_events import Recorded
from workers.record_together import LARGEST_GROUP, record_together

# One at a time, and whatever else hangs in threads.
_committer = ThreadPoolExecutor(1, thread_name_prefix="commit")


@dataclass(frozen=True)
class _Told:
    """One caller's events, in whose name they are told, and the answer that it waits for."""

    events: Sequence[Event]
    context: Context
    answer: asyncio.Future[Recorded]


@dataclass
class GroupCommit:
    """Of one event loop: who waits, longest first, and the commits that go on until nobody does."""

    waiting: deque[_Told] = field(default_factory=deque)
    commits: asyncio.Task[None] | None = None

    async def record(self, events: Sequence[Event]) -> Recorded:
        """`record_events`, in a transaction with other lists that may share one.

        Raises:
            psycopg.Error: as `record_events`.
        """
        told = _Told(events, copy_context(), asyncio.get_running_loop().create_future())
        self.waiting.append(told)
        if self.commits is None:
            self.commits = asyncio.create_task(self._commit())
        return await told.answer

    async def _commit(self) -> None:
        try:
            while group := self._next_group():
                await _record(group)
        finally:
            self.commits = None

    def _next_group(self) -> list[_Told]:
        group: list[_Told] = []
        size = 0
        while self.waiting and size + len(self.waiting[0].events) <= LARGEST_GROUP:
            size += len(self.waiting[0].events)
            group.append(self.waiting.popleft())
        return group


async def _record(group: Sequence[_Told]) -> None:
    loop = asyncio.get_running_loop()
    # What is logged and traced of it belongs to the first of them.
    run = group[0].context.run
    lists = [told.events for told in group]
    outcomes = await loop.run_in_executor(_committer, run, record_together, lists)
    for told, outcome in zip(group, outcomes, strict=True):
        if told.answer.done():  # whoever told them has gone
            continue
        if isinstance(outcome, Exception):
            told.answer.set_exception(outcome)
        else:
            told.answer.set_result(outcome)
