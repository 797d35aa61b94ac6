"""Counters and histograms that are right across processes and machines.

Web and workers may run on different machines, so no process can see another's memory. Each adds
up its own increments and moves them to one Redis hash every second; `/metrics` shows the hash.
A store that blinks delays the numbers; a killed process loses at most its last second of them.
"""

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import redis

from workers.core.process import per_process
from workers.core.stores import script, stores

HASH = "metrics"
# Seconds between flushes: what a killed process loses of its counts at most.
FLUSH_INTERVAL_S = 1.0
# Longer than any process would keep a batch that it cannot send.
SENDER_TTL_S = 86_400
# A batch is added once, however often it is sent: who gets no answer in time can't know whether it
# was added, and sends it again under its number. KEYS[2] has the number of the sender's last one.
ADD = """
if tonumber(redis.call('GET', KEYS[2]) or 0) >= tonumber(ARGV[1]) then return end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
for place = 3, #ARGV, 2 do
    redis.call('HINCRBYFLOAT', KEYS[1], ARGV[place], ARGV[place + 1])
end
"""

Increments = dict[tuple[str, ...], float]


class _Counts:
    """What this process has counted and Redis is not known to have."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pending: defaultdict[tuple[str, ...], float] = defaultdict(float)
        # Redis Cluster keeps it beside the hash.
        self.sender = f"{{{HASH}}}:sender:{uuid4()}"
        self.sending = threading.Lock()
        self.batch_no = 0
        self.batch: Increments = {}

    def next_batch(self) -> None:
        """Take up what is pending, unless an earlier batch is still to be sent."""
        if self.batch:
            return
        with self.lock:
            self.batch = dict(self.pending)
            self.pending.clear()
        self.batch_no += 1


@per_process
def _counts() -> _Counts:
    return _Counts()


@dataclass(frozen=True)
class Total:
    """A count that only grows; `labels` names what it is broken down by."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    def add(self, amount: float, **labels: str) -> None:
        """Add `amount`, if it is any, for these label values."""
        if not amount:
            return
        _add(self.name, "", [labels[label] for label in self.labels], amount)


@dataclass(frozen=True)
class Distribution:
    """A histogram; `buckets` are upper bounds in the unit that the name ends with."""

    name: str
    help: str
    buckets: tuple[float, ...]
    labels: tuple[str, ...] = ()

    def observe(self, value: float, **labels: str) -> None:
        """Count one value for these label values."""
        values = [labels[label] for label in self.labels]
        bound = next((str(float(b)) for b in self.buckets if value <= b), "+Inf")
        _add(self.name, bound, values, 1)
        _add(self.name, "sum", values, value)

    def observe_all(self, observed: Iterable[float], **labels: str) -> None:
        """Count many values for these label values."""
        values = [labels[label] for label in self.labels]
        counts: Counter[str] = Counter()
        total = 0.0
        for value in observed:
            counts[next((str(float(b)) for b in self.buckets if value <= b), "+Inf")] += 1
            total += value
        for bound, count in counts.items():
            _add(self.name, bound, values, count)
        _add(self.name, "sum", values, total)


def flush() -> None:
    """Move what this process has counted to Redis; on failure it is kept for the next time."""
    counts = _counts()
    with counts.sending:
        for _ in range(2):  # one that could not be sent the last time, and what came since
            counts.next_batch()
            if not counts.batch:
                return
            pairs = [
                part
                for name, amount in counts.batch.items()
                for part in (json.dumps(name), repr(amount))
            ]
            try:
                script(ADD)(
                    keys=[HASH, counts.sender],
                    args=[counts.batch_no, SENDER_TTL_S, *pairs],
                    client=stores().redis,
                )
            except redis.RedisError:
                return
            counts.batch = {}


@contextmanager
def flushing() -> Iterator[None]:
    """Flush every second on a thread inside the block, and once more at its end."""
    stopped = threading.Event()

    def loop() -> None:
        while not stopped.wait(FLUSH_INTERVAL_S):
            flush()

    thread = threading.Thread(target=loop, name="metrics-flush", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        flush()


def read_counts() -> dict[tuple[str, ...], float]:
    """Read everything that is counted, by name, part (a histogram's bound or "sum") and labels."""
    return {
        tuple(json.loads(field)): float(value)
        for field, value in stores().redis.hgetall(HASH).items()
    }


def _add(name: str, part: str, labels: list[str], amount: float) -> None:
    counts = _counts()
    with counts.lock:
        counts.pending[name, part, *labels] += amount
