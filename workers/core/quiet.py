"""A pause in which nobody asks a store that has just failed."""

import time

# While a store is down, only one caller in this time waits to find that out.
QUIET_AFTER_FAILURE_S = 2.0


class Quiet:
    """Remember a failure for `QUIET_AFTER_FAILURE_S` seconds; a process has one per purpose."""

    def __init__(self) -> None:
        self._until = 0.0

    @property
    def lasts(self) -> bool:
        """Whether the last failure is that new."""
        return time.monotonic() < self._until

    def begin(self) -> None:
        """Leave the failing server alone for a while."""
        self._until = time.monotonic() + QUIET_AFTER_FAILURE_S
