"""SIGINT, SIGTERM and SIGHUP as a flag that is read at chosen points.

An exception thrown at any instruction could fall between starting a process and remembering it,
and leave that process behind; a flag cannot.
"""

import signal
import time
from collections.abc import Callable
from types import FrameType

Pause = Callable[[float], None]
"""Sleeps for some seconds; may raise to end the wait it is used in."""


class Interrupted(Exception):
    """Somebody asked the stack to stop."""


class Interrupts:
    """Remembers the first signal. Repeats change nothing: the stop already under way is bounded."""

    def __init__(self) -> None:
        self.requested = False

    def install(self) -> None:
        """Main thread only. SIGHUP stays ignored under nohup."""
        signal.signal(signal.SIGINT, self._remember)
        signal.signal(signal.SIGTERM, self._remember)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._remember)

    def check(self) -> None:
        """Raises Interrupted once a signal has come."""
        if self.requested:
            raise Interrupted

    def pause(self, seconds: float) -> None:
        """Sleeps, then checks."""
        time.sleep(seconds)
        self.check()

    def _remember(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
