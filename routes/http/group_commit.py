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
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from psycopg_pool import PoolTimeout

from routes.http.problems import Problem
from workers.core.stores import STALLED_TRANSACTION_MS
from workers.ingest.events import Event
from workers.ingest.group import record_together
from workers.ingest.record import Recorded
from workers.ledger.freshness import Notification

# Of one group. A list that the database refuses makes the others of its group commit one by one.
MOST_EVENTS = 1000
MOST_LISTS = 100
# Twice as long as a stalled worker may keep rows that events wait for (workers/core/stores.py).
ANSWER_S = 2 * STALLED_TRANSACTION_MS / 1000


@dataclass(frozen=True)
class _Caller:
    """One caller's events, in whose name they are recorded, and the answer that it waits for."""

    events: Sequence[Event]
    context: Context
    answer: asyncio.Future[Recorded]


@dataclass
class GroupCommit:
    """Of one event loop: who waits, longest first, and the commits that go on until nobody does.

    They are made by one thread, over one connection, whatever else hangs in threads.
    """

    waiting: deque[_Caller] = field(default_factory=deque)
    commits: asyncio.Task[None] | None = None
    thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="commit")
    )

    async def record(self, events: Sequence[Event]) -> Recorded:
        """`record_events`, in a transaction with other lists.

        Raises:
            psycopg.Error: as `record_events`.
            Problem: 503, Postgres did not answer; it may have stored the events all the same.
        """
        caller = _Caller(events, copy_context(), asyncio.get_running_loop().create_future())
        self.waiting.append(caller)
        if self.commits is None:
            self.commits = asyncio.create_task(self._commit())
        try:
            async with asyncio.timeout(ANSWER_S):
                return await caller.answer
        except TimeoutError:
            detail = "Postgres gave no answer in time; tell it again, with an event_id of your own"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail) from None

    async def _commit(self) -> None:
        try:
            while group := self._next_group():
                outcomes = await self._outcomes(group)
                _answer(group, outcomes)
                if isinstance(outcomes[0], PoolTimeout):  # who waits now has waited as long
                    meanwhile = list(self.waiting)
                    self.waiting.clear()
                    _answer(meanwhile, [outcomes[0]] * len(meanwhile))
        finally:
            self.commits = None

    def _next_group(self) -> list[_Caller]:
        """Those who still wait for their answer."""
        group: list[_Caller] = []
        size = 0
        while self.waiting and len(group) < MOST_LISTS:
            size += len(self.waiting[0].events)
            if group and size > MOST_EVENTS:
                break
            caller = self.waiting.popleft()
            if not caller.answer.done():
                group.append(caller)
        return group

    async def _outcomes(self, group: Sequence[_Caller]) -> list[Recorded | Exception]:
        loop = asyncio.get_running_loop()
        # What is logged and traced of it belongs to the first of them.
        run = group[0].context.run
        lists = [caller.events for caller in group]
        try:
            return await loop.run_in_executor(self.thread, run, record_together, lists)
        except Exception as error:  # noqa: BLE001  # no thread to be had, for one: callers are answered
            return [error] * len(group)


def _answer(group: Sequence[_Caller], outcomes: Sequence[Recorded | Exception]) -> None:
    """Notifications of a caller that has gone meanwhile go to the next."""
    notifications: list[Notification] = []
    for caller, outcome in zip(group, outcomes, strict=True):
        if isinstance(outcome, Exception):
            if not caller.answer.done():
                caller.answer.set_exception(outcome)
            continue
        notifications += outcome.notifications
        if not caller.answer.done():
            caller.answer.set_result(replace(outcome, notifications=notifications))
            notifications = []
