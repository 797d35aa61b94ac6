"""What stands in the log when something fails."""

import io
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from workers.core.logs import configure_logging


@pytest.fixture
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def fail(student: str) -> None:
    raise ConnectionError(f"refused after {len(student)} tries")


@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_traceback_shows_where_it_failed_and_no_local_variables(
    environment: str, configure: Callable[..., None], restored_logging: None
) -> None:
    configure(KINFOLD_ENV=environment, API_KEYS=f"ops:admin:{'0' * 64}")
    stream = io.StringIO()
    configure_logging(stream)
    try:
        fail("".join(["Zoë", " ", "Ångström"]))
    except ConnectionError:
        structlog.stdlib.get_logger().error("failed", exc_info=True)
    said = stream.getvalue()
    assert "refused after 12 tries" in said
    assert "in fail" in said or '"name": "fail"' in said
    assert "Zoë Ångström" not in said
    assert "Zo\\u00eb" not in said


def test_a_line_that_cannot_be_written_is_no_error_for_who_logs(
    configure: Callable[..., None], restored_logging: None
) -> None:
    stream = io.StringIO()
    configure_logging(stream)
    structlog.get_logger().info("written", number=1)
    logging.getLogger("somebody").warning("written, too")
    first, second = stream.getvalue().splitlines()
    assert "number=1" in first
    assert "written, too" in second
    stream.close()
    structlog.get_logger().info("lost")
