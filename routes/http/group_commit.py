"""Group commit on the event loop: requests with events that arrive together share a transaction.

A request that finds no commit under way begins one at once. Those that arrive while it lasts are
collected, and the next commit takes all of them as one group: under load groups grow by
themselves, and without load nobody waits for company. One thread makes the commits, over one
connection. If each request took a thread of its own, the threads would mostly hand the
interpreter's lock around (bench/events.py).

What a group does in Postgres, and how one bad list is kept from harming the others of its group,
is in workers/ingest/group.py.
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

# Events and lists of one group. In larger ones a list that Postgres refuses costs more: the
# others of its group are then committed one by one.
MAX_EVENTS = 1000
MAX_LISTS = 100
# Seconds until a request is answered 503: twice as long as a stalled worker may keep rows locked
# that events wait for (workers/core/stores.py). With more of them, callers wait longer in vain.
ANSWER_S = 2 * STALLED_TRANSACTION_MS / 1000


@dataclass(frozen=True)
class _Pending:
    """One request's events on their way into a commit.

    `context` is the request's, for its log lines and trace; `answer` is what the request awaits.
    """

    events: Sequence[Event]
    context: Context
    answer: asyncio.Future[Recorded]


@dataclass
class GroupCommit:
    """The queue of one event loop, and the task that commits group after group until it is empty.

    `queue` holds requests that no commit has taken yet, oldest first. `commits` is the task while
    there is something to commit, else None. `thread` is the one that makes the commits.
    """

    queue: deque[_Pending] = field(default_factory=deque)
    commits: asyncio.Task[None] | None = None
    thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="commit")
    )

    async def record(self, events: Sequence[Event]) -> Recorded:
        """Store one request's events, all or none, and return once they are committed.

        The notifications of a whole group go to the first of its requests that still waits, which
        sends them; the others get none.

        Raises:
            psycopg.Error: Postgres is down or refuses these events; nothing of them is stored.
            Problem: 503, Postgres did not answer in time. The events may be stored all the same,
                which the caller finds out by sending them again under the same event_ids.
        """
        pending = _Pending(events, copy_context(), asyncio.get_running_loop().create_future())
        self.queue.append(pending)
        if self.commits is None:
            self.commits = asyncio.create_task(self._commit_all())
        try:
            async with asyncio.timeout(ANSWER_S):
                return await pending.answer
        except TimeoutError:
            detail = "Postgres gave no answer in time; send it again, with an event_id of your own"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail) from None

    async def _commit_all(self) -> None:
        """Commit group after group until the queue is empty."""
        try:
            while group := self._next_group():
                outcomes = await self._commit(group)
                _answer(group, outcomes)
                if isinstance(outcomes[0], PoolTimeout):  # those in the queue waited as long
                    rest = list(self.queue)
                    self.queue.clear()
                    _answer(rest, [outcomes[0]] * len(rest))
        finally:
            self.commits = None

    def _next_group(self) -> list[_Pending]:
        """Take the oldest requests from the queue, without those whose caller has gone."""
        group: list[_Pending] = []
        size = 0
        while self.queue and len(group) < MAX_LISTS:
            size += len(self.queue[0].events)
            if group and size > MAX_EVENTS:
                break
            pending = self.queue.popleft()
            if not pending.answer.done():
                group.append(pending)
        return group

    async def _commit(self, group: Sequence[_Pending]) -> list[Recorded | Exception]:
        """Commit a group in the thread; returns for each of its requests what it is answered."""
        loop = asyncio.get_running_loop()
        # One transaction is in one trace and logs under one request_id: the first request's.
        run = group[0].context.run
        lists = [pending.events for pending in group]
        try:
            return await loop.run_in_executor(self.thread, run, record_together, lists)
        except Exception as error:  # noqa: BLE001  # no thread to be had, for one: all are answered
            return [error] * len(group)


def _answer(group: Sequence[_Pending], outcomes: Sequence[Recorded | Exception]) -> None:
    """Answer the requests of a group.

    Notifications meant for a request whose caller has gone meanwhile go to the next one, so that
    somebody sends them.
    """
    notifications: list[Notification] = []
    for pending, outcome in zip(group, outcomes, strict=True):
        if isinstance(outcome, Exception):
            if not pending.answer.done():
                pending.answer.set_exception(outcome)
            continue
        notifications += outcome.notifications
        if not pending.answer.done():
            pending.answer.set_result(replace(outcome, notifications=notifications))
            notifications = []
