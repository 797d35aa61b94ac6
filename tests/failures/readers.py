"""Somebody who reads while things die."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PAUSE_S = 0.02


@contextmanager
def reading(look: Callable[[], object]) -> Iterator[None]:
    """Looks again and again until the block ends; raises there what `look` raised first."""
    stop, seen, problems = threading.Event(), threading.Event(), list[BaseException]()

    def look_on() -> None:
        while not stop.is_set() and not problems:
            try:
                look()
            except BaseException as error:  # noqa: BLE001  # an assertion too; raised below
                problems.append(error)
            seen.set()
            stop.wait(PAUSE_S)

    thread = threading.Thread(target=look_on)
    thread.start()
    try:
        seen.wait()
        yield
    finally:
        stop.set()
        thread.join()
    if problems:
        raise problems[0]
