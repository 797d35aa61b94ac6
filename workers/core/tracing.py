"""Traces as an option: one from a request over actors and the provider to the SQL.

Off unless OTEL_EXPORTER_OTLP_ENDPOINT says where to send spans of OpenTelemetry. Then every
process sends its own in the background, and a message carries the trace that it belongs to. An
attempt works on a batch of keys: it is in the trace of the event whose message it began with.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Self

import psycopg
from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind
from psycopg import sql

from workers.core.settings import settings

TRACER = trace.get_tracer("kinfold")


def is_tracing() -> bool:
    """Say whether spans are sent anywhere."""
    return settings().otel_exporter_otlp_endpoint is not None


@contextmanager
def tracing(process: str) -> Iterator[None]:
    """Send this process' spans inside the block, if they are wanted, and at its end what is left.

    To be called after a fork.
    """
    if not is_tracing():
        yield
        return
    # Only who traces pays for the imports.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"kinfold-{process}"}))
    # Address, headers and sampling: the exporter and the provider read OTEL_* themselves.
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    # OpenTelemetry takes one provider in the life of a process.
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    carrier: Mapping[str, str] | None = None,
    attributes: Mapping[str, str | int] | None = None,
) -> Iterator[Span]:
    """Make one step of a trace of what happens inside, with what is raised there.

    Args:
        carrier: names the trace to go on with (W3C's `traceparent`), else the current one.
    """
    above = None if carrier is None else propagate.extract(carrier)
    with TRACER.start_as_current_span(name, above, kind, attributes) as begun:
        yield begun


def carried() -> dict[str, str]:
    """Return what a message carries to be in the current trace; empty outside of one."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


class TracedCursor(psycopg.Cursor[Any]):
    """Inside a trace each statement is a span; values are parameters and so not in it."""

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Self:
        """Execute a statement inside a span."""
        with _statement_span(query, self):
            return super().execute(query, *args, **kwargs)


class TracedAsyncCursor(psycopg.AsyncCursor[Any]):
    """The same from an event loop."""

    async def execute(self, query: Any, *args: Any, **kwargs: Any) -> Self:
        """Execute a statement inside a span."""
        with _statement_span(query, self):
            return await super().execute(query, *args, **kwargs)


def _statement_span(
    query: Any, cursor: psycopg.Cursor[Any] | psycopg.AsyncCursor[Any]
) -> AbstractContextManager[object]:
    if not trace.get_current_span().is_recording():
        return nullcontext()
    text = query.decode() if isinstance(query, bytes) else sql.as_string(query, cursor)
    return span(
        f"postgres {text.split(maxsplit=1)[0].upper()}",
        SpanKind.CLIENT,
        attributes={"db.system.name": "postgresql", "db.query.text": text},
    )
