"""Log lines are an event name and fields: JSON in production, columns in development."""

import logging
import sys
from typing import TextIO

import structlog

from workers.core.settings import settings


def configure_logging(stream: TextIO = sys.stdout) -> None:
    """Route structlog and the standard library's loggers to one stream in one format.

    Args:
        stream: stderr for commands whose answer goes to stdout.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without local variables: those hold passwords and what is known of students. Drawn
    # in full, one took seconds, and meanwhile every thread that had something to log waited.
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    renderer: list[structlog.types.Processor] = (
        [tracebacks, structlog.processors.JSONRenderer()]
        if settings().kinfold_env == "production"
        else [
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    # Uvicorn brings handlers of its own.
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # Their INFO lines repeat what our own events say, once per request or job.
    for noisy in ("httpx", "httpx2", "openai", "apscheduler", "uvicorn.access", "psycopg.pool"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
