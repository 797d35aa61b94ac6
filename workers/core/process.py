"""What a process keeps while it runs: opened at boot or made on first use, closed in reverse order.

No module keeps such a thing in a global of its own, so whoever opens a process has closed and
forgotten all of it afterwards: the web's lifespan, a worker, the scheduler, a command, a test.
Caches of what never changes while the code and the environment stay the same (settings, queries,
scripts) and locks are not part of it.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import wraps
from threading import Lock
from typing import Any, TypeVar, cast

T = TypeVar("T")
Make = TypeVar("Make", bound=Callable[..., Any])


class Process:
    """The things that are open, by their type, and what was made on first use, by its maker."""

    def __init__(self, exits: ExitStack) -> None:
        self.exits = exits
        self.opened: dict[type, object] = {}
        self._made: dict[Hashable, object] = {}
        self._making: defaultdict[Hashable, Lock] = defaultdict(Lock)

    def made(self, key: Hashable, make: Callable[[], object]) -> object:
        """Return what was made under this key; the first who asks makes it, and others wait."""
        if key not in self._made:
            with self._making[key]:
                if key not in self._made:
                    self._made[key] = make()
        return self._made[key]

    def forget(self) -> None:
        """Have made nothing yet, as a process that starts now; what is open stays open."""
        self._made.clear()


_running: Process | None = None


def process() -> Process:
    """Return this process.

    Raises:
        RuntimeError: nobody has opened it.
    """
    if _running is None:
        raise RuntimeError("the process is not open: boot with open_process()")
    return _running


@contextmanager
def new_process() -> Iterator[Process]:
    """Begin a process with nothing in it; inside another one (a test's) it stands in its place."""
    with ExitStack() as exits:
        exits.callback(_run, _running)
        _run(Process(exits))
        yield process()


def _run(chosen: Process | None) -> None:
    global _running  # noqa: PLW0603  # the one name by which functions find their process
    _running = chosen


@contextmanager
def holding(thing: T) -> Iterator[T]:
    """Keep something open in this process, where `held` finds it by its type."""
    opened = process().opened
    before = opened.get(type(thing))
    opened[type(thing)] = thing
    try:
        yield thing
    finally:
        del opened[type(thing)]
        if before is not None:
            opened[type(thing)] = before


def held(kind: type[T]) -> T:
    """Return the thing of this type that is open.

    Raises:
        RuntimeError: none is open in this process.
    """
    try:
        return cast("T", process().opened[kind])
    except KeyError:
        raise RuntimeError(f"{kind.__name__} is not open: boot with open_process()") from None


def until_exit(thing: AbstractContextManager[T]) -> T:
    """Enter something that was made on first use; it is left when the process is closed."""
    return process().exits.enter_context(thing)


def per_process(make: Make) -> Make:
    """Make once per process and arguments, on first use; `functools.cache` for a process' life.

    >>> @per_process
    ... def names() -> list[str]:
    ...     return []
    >>> with new_process():
    ...     names().append("Ada")
    ...     names()
    ['Ada']
    >>> with new_process():
    ...     names()
    []
    """

    @wraps(make)
    def made(*args: Hashable) -> object:
        return process().made((make, args), lambda: make(*args))

    return cast("Make", made)
