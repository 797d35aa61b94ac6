"""Traces: off unless asked for; then one from the event over actors and provider to the SQL."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from actors import recompute_student
from embedded.ports import free_port
from tests.embeddings_server import serving_embeddings
from tests.lines import logs, running_lines
from tests.processes import eventually
from workers.core.vocabulary import Queue
from workers.jobs.queues import MessageState, read_messages

pytestmark = pytest.mark.slow

NAMED = "a student with a name of their own"


@dataclass(frozen=True)
class Seen:
    """A span as it was sent."""

    process: str
    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    attributes: dict[str, str]


@dataclass
class Collector:
    """What an OTLP endpoint was sent."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Unpack one request."""
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            process = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.spans += [
                Seen(
                    process["service.name"],
                    sent.trace_id,
                    sent.span_id,
                    sent.parent_span_id,
                    sent.name,
                    {each.key: each.value.string_value for each in sent.attributes},
                )
                for scope in resource.scope_spans
                for sent in scope.spans
            ]

    def trace_of(self, name: str) -> list[Seen]:
        """All spans of the trace that has a span of this name."""
        ids = {each.trace_id for each in self.spans if each.name == name}
        return [each for each in self.spans if each.trace_id in ids]


@contextmanager
def collecting() -> Iterator[Collector]:
    """An OTLP endpoint on this machine."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server calls
            collector.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base has it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield collector
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_an_endpoint_nothing_is_traced(stores: None) -> None:
    recompute_student.send("S1")
    (message,) = read_messages(Queue.live, MessageState.ready).messages
    assert message.args == ("S1",)
    assert not trace.get_current_span().is_recording()
    assert type(trace.get_tracer_provider()).__module__.startswith("opentelemetry.trace")


def test_an_event_is_one_trace_from_the_request_to_the_sql(
    stores: None, configure: Callable[..., None], tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log_directory = tmp_path / "logs"
    log_directory.mkdir()
    with serving_embeddings() as provider, collecting() as collector:
        configure(
            OPENAI_BASE_URL=provider.url,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_BSP_SCHEDULE_DELAY=100,
        )
        with running_lines(log_directory, "web", "worker", PORT=port, HOST="127.0.0.1"):
            eventually(lambda: answers(url), lambda: logs(log_directory))
            events = [
                {"event_type": "book_added", "book_id": "B1", "title": "One", "genre": ["poetry"]},
                {
                    "event_type": "checkout_added",
                    "student_id": NAMED,
                    "book_id": "B1",
                    "checkout_date": "2026-03-01",
                },
            ]
            assert httpx.post(f"{url}/events", json={"events": events}).status_code == 202
            assert httpx.get(f"{url}/students/{NAMED}").status_code == 200
            eventually(
                lambda: any(each.name == "update_neighbors" for each in collector.spans),
                lambda: f"{collector.spans}\n{logs(log_directory)}",
            )
        # All are sent by the time that the processes have ended.
    found = collector.trace_of("update_neighbors")
    by_name = {each.name: each for each in found}
    assert len({each.trace_id for each in found}) == 1
    assert {"kinfold-web", "kinfold-worker"} == {each.process for each in found}
    request, embed, update = (
        by_name[name] for name in ("POST /events", "recompute_student", "update_neighbors")
    )
    assert request.parent_id == b""
    assert embed.parent_id == request.span_id
    # The book's vector is asked for in a step of its own.
    asked = [each.parent_id for each in found if each.name == "provider"]
    assert asked.count(embed.span_id) == 1
    assert update.parent_id == embed.span_id
    statements = [each for each in found if each.name.startswith("postgres")]
    for above in (request, embed, update):
        assert any(each.parent_id == above.span_id for each in statements), above.name
    (read,) = (each for each in collector.spans if each.name == "GET /students/{student_id}")
    assert any(each.parent_id == read.span_id for each in collector.spans)
    said = "".join(f"{each.name}{each.attributes}" for each in collector.spans)
    assert NAMED not in said, "values are no part of a trace"


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live").status_code == 200
    except httpx.TransportError:
        return False
