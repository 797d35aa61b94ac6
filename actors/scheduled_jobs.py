"""Timed jobs: what an actor of one has to do beside its work."""

import functools
from collections.abc import Callable
from uuid import UUID

from workers.jobs.schedules import leased_firing


def timed(job: Callable[[], None]) -> Callable[[str], None]:
    """Makes a job take the id of its firing, and records there what becomes of it."""

    @functools.wraps(job)
    def run(firing_id: str) -> None:
        with leased_firing(UUID(firing_id)) as ours:
            if ours:
                job()

    return run
