"""The broker's middleware that is about processes."""

import signal
from collections.abc import Iterator

import pytest

from actors.broker import TermOnce, broker

pytestmark = pytest.mark.slow


@pytest.fixture
def sigterm() -> Iterator[None]:
    """Whatever the test makes of SIGTERM is undone."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("sigterm")
def test_a_sigterm_that_interrupts_the_handler_of_the_first_does_not_kill() -> None:
    seen: list[int] = []

    def dramatiqs(number: int, _frame: object) -> None:
        seen.append(number)
        if len(seen) == 1:
            handler(number, None)

    signal.signal(signal.SIGTERM, dramatiqs)
    TermOnce().after_process_boot(broker)
    installed = signal.getsignal(signal.SIGTERM)
    assert callable(installed)
    handler = installed
    handler(signal.SIGTERM, None)
    signal.raise_signal(signal.SIGTERM)
    assert seen == [signal.SIGTERM]
