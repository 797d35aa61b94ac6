"""`rediss://` with a certificate that nobody vouches for, as hosted Redis presents it."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from embedded.children import spawn, stop_groups
from embedded.ports import free_port
from tests.embeddings_server import serving_embeddings
from tests.library import book, change, checkout, rows
from tests.lines import logs, running_lines
from tests.processes import eventually
from workers.core.stores import redis_client
from workers.ingest.record import record_events

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("stores")]


@pytest.fixture
def tls_url(tmp_path: Path) -> Iterator[str]:
    """A Redis that speaks TLS only, with a self-signed certificate for another host's name."""
    server = shutil.which("redis-server")
    assert server, "no redis-server with TLS: bash scripts/test_setup.sh"
    home = tmp_path / "redis"
    home.mkdir()
    key, certificate, log = home / "key.pem", home / "certificate.pem", home / "log"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=elsewhere.invalid", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    port, password = free_port(), secrets.token_hex(16)
    with log.open("wb") as output:
        process = spawn(
            [
                *(server, "--bind", "127.0.0.1", "--port", "0", "--tls-port", str(port)),
                *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
                *("--tls-auth-clients", "no", "--requirepass", password, "--save", ""),
            ],
            env=os.environ,
            cwd=home,
            stdout=output,
        )
    url = f"rediss://:{password}@127.0.0.1:{port}/0"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with redis_client(url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    try:
        eventually(answers, log.read_text)
        yield url
    finally:
        stop_groups([(process, signal.SIGTERM)])


@pytest.fixture
def log_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "logs"
    directory.mkdir()
    return directory


def fresh(student_id: str) -> bool:
    """Whether a student has a vector and neighbours, and the ledger asks for no more."""
    found = rows("SELECT wanted = done FROM freshness WHERE key = %s", student_id)
    return found == [(True,), (True,)]


def test_the_server_speaks_nothing_but_tls_and_its_certificate_is_not_to_be_trusted(
    tls_url: str,
) -> None:
    plain = redis.Redis.from_url(tls_url.replace("rediss://", "redis://"), socket_timeout=5)
    with pytest.raises(redis.ConnectionError), plain:
        plain.ping()
    careful = redis.Redis.from_url(tls_url, socket_timeout=5)
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"), careful:
        careful.ping()


def test_an_event_becomes_a_fresh_embedding_over_tls(tls_url: str, log_directory: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (
        serving_embeddings() as provider,
        running_lines(
            log_directory,
            *("web", "worker"),
            HOST="127.0.0.1",
            PORT=port,
            REDIS_URL=tls_url,
            OPENAI_BASE_URL=provider.url,
        ),
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        eventually(lambda: ready(client), lambda: logs(log_directory))
        event = checkout("S1", "B1").model_dump(mode="json", exclude_unset=True)
        assert client.post("/events", json=event).status_code == 202
        # No scheduler runs, so it was the notification that brought the worker there.
        eventually(lambda: fresh("S1"), lambda: logs(log_directory))
        assert len(provider.inputs) == 1
        assert rows("SELECT student_id, model FROM student_embeddings") == [
            ("S1", "text-embedding-3-small")
        ]
        # The provider's limits and the counters are kept in the same Redis.
        with redis_client(tls_url) as store:
            assert store.keys("provider:limits*")
        eventually(lambda: "embeddings_generated_total{" in client.get("/metrics").text)
    assert "notifications_not_sent" not in logs(log_directory)
    assert "Traceback" not in logs(log_directory)


def ready(client: httpx.Client) -> bool:
    """Whether the web process answers, and reaches both of its stores."""
    try:
        answer = client.get("/health/ready")
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and all(
        store["ok"] for store in answer.json()["stores"].values()
    )


def test_the_reconciler_sends_over_tls_what_is_overdue(tls_url: str, log_directory: Path) -> None:
    record_events([book("B1", "One"), checkout("S1", "B1")])  # and nobody sends the notifications
    change("UPDATE freshness SET last_sent = now() - interval '1 hour'")
    with running_lines(
        log_directory,
        *("worker", "scheduler"),
        REDIS_URL=tls_url,
        RECONCILE_INTERVAL_SECONDS=0.2,
    ):
        eventually(lambda: fresh("S1"), lambda: logs(log_directory))
    assert "overdue_resent" in logs(log_directory)
    assert "Traceback" not in logs(log_directory)
