"""`make run` in a clean copy of the checkout: ready, one event to the end, Ctrl-C, nothing left."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest

from tests.processes import eventually

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LIMIT_SECONDS = 180
FROM_OUTSIDE = (
    "DATABASE_URL",
    "REDIS_URL",
    "EMBEDDING_DIMENSIONS",
    "PORT",
    "HOST",
    "PYTHONPATH",
)


@dataclass(frozen=True)
class Stack:
    """A running `python -m embedded` in a copy of the checkout."""

    process: subprocess.Popen[bytes]
    output_file: Path

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    @property
    def address(self) -> str:
        """From the ready line, once it is there."""
        eventually(
            lambda: "kinfold is ready: " in self.output or self.process.poll() is not None,
            lambda: self.output,
            LIMIT_SECONDS,
        )
        assert self.process.poll() is None, self.output
        return self.output.split("kinfold is ready: ")[1].split()[0]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What a fresh clone would hold, with changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    path = tmp_path / "checkout"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path / name)
    return path


@contextmanager
def running(copy: Path) -> Iterator[Stack]:
    home = copy / ".kinfold"
    environment = {name: text for name, text in os.environ.items() if name not in FROM_OUTSIDE}
    output_file = copy.parent / "output"
    with output_file.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "embedded"],
            cwd=copy,
            env={**environment, "KINFOLD_HOME": str(home)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    with process:
        try:
            yield Stack(process, output_file)
        finally:
            process.kill()


def test_a_clean_copy_gets_ready_follows_an_event_to_its_end_and_leaves_nothing(
    copy: Path,
) -> None:
    with running(copy) as stack, httpx.Client(base_url=stack.address, timeout=30) as client:
        kinds = {kind["kind"]: kind for kind in client.get("/freshness").json()["kinds"]}
        for kind in ("student_embedding", "student_neighbors"):
            assert (kinds[kind]["fresh"], kinds[kind]["total"]) == (120, 120)
        for number in range(1, 121):
            found = client.get(f"/students/S{number:03}/neighbors").json()
            assert len({neighbor["student_id"] for neighbor in found["neighbors"]}) == 15
            assert found["fresh"]

        follow_an_event(client)

        started = psutil.Process(stack.process.pid).children(recursive=True)
        names = " ".join(part for process in started for part in process.cmdline())
        for program in ("postgres", "redis-server", "web.py", "dramatiq", "scheduler.py"):
            assert program in names
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(LIMIT_SECONDS) == 0, stack.output
    assert [process for process in started if process.is_running()] == []
    assert left_in(copy) == []
    assert "Traceback" not in stack.output


def follow_an_event(client: httpx.Client) -> None:
    """A checkout of today, sent and followed until all that it made stale is fresh again."""
    checkout = {
        "event_type": "checkout_added",
        "student_id": "S007",
        "book_id": "B0001",
        "checkout_date": datetime.now(UTC).date().isoformat(),
    }
    before = client.get("/students/S007").json()["profile"]["checkouts"]
    answer = client.post("/events", json=checkout)
    assert answer.status_code == 202
    (event_id,) = answer.json()["event_ids"]

    def effects() -> list[dict[str, str]]:
        chain: list[dict[str, str]] = client.get(f"/events/{event_id}").json()["effects"]
        return chain

    eventually(
        lambda: len(effects()) == 2 and {effect["state"] for effect in effects()} == {"fresh"},
        lambda: str(effects()),
        LIMIT_SECONDS,
    )
    assert {(effect["kind"], effect["key"]) for effect in effects()} == {
        ("student_embedding", "S007"),
        ("student_neighbors", "S007"),
    }
    student = client.get("/students/S007").json()
    assert student["profile"]["checkouts"] == before + 1
    assert student["freshness"]["embedding"]["last_event"] == event_id
    assert student["freshness"]["neighbors"]["last_event"] == event_id
    assert client.get("/students/S007/neighbors").json()["last_event"] == event_id


def left_in(directory: Path) -> list[psutil.Process]:
    """Processes that still work in a directory or were started for it."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = [process.info["cwd"] or "", *(process.info["cmdline"] or [])]
        if any(str(directory) in word for word in words):
            found.append(process)
    return found
