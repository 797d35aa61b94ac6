"""Steps of a pass that comes again: the failure of one keeps no other from its turn."""

from collections.abc import Callable

import structlog

from workers.core.metrics import SCHEDULER_FAILURES

log = structlog.get_logger()


def survive(step: str, do: Callable[[], object]) -> bool:
    """Do a step; says whether it succeeded. What it raises is logged and counted under its name.

    Whatever it is: the next pass is the next try, and whoever waits for the other steps must not
    wait for the end of this one's trouble.
    """
    try:
        do()
    except Exception as error:
        log.exception("scheduler_step_failed", step=step, error=f"{type(error).__name__}: {error}")
        SCHEDULER_FAILURES.add(1, step=step)
        return False
    return True
