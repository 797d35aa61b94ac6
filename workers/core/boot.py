"""How every process begins and ends: the web, workers, the scheduler and commands alike."""

from collections.abc import Iterator
from contextlib import contextmanager

from workers.core.counters import flushing
from workers.core.process import new_process
from workers.core.stores import opened_stores
from workers.core.tracing import tracing


@contextmanager
def open_process(name: str, *, connections: int | None = None) -> Iterator[None]:
    """Open this process: traces, stores, counters; whatever happens inside, all are closed.

    Stores open also when their server is down, and connect when it is back. To be called after a
    fork, because children must not share connections.

    Args:
        name: of the process in traces: `kinfold-{name}`.
        connections: most of the Postgres pool, by default as many as a process may have.
    """
    with new_process(), tracing(name), opened_stores(connections), flushing():
        yield
