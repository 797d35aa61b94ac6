"""The console in a browser: a provider that fails, dead letters, a retry, a pause, a job, a run."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, expect
from psycopg.types.json import Jsonb

from embedded.ports import free_port
from tests.browser import PHONE, Album, browser_page, faults
from tests.console.busy_library import books, loans, names, platform
from tests.embeddings_server import EmbeddingsServer, serving_embeddings
from tests.library import change, rows
from tests.lines import logs, running_lines
from tests.processes import eventually
from workers.neighbors.changes import lock_graph

pytestmark = pytest.mark.slow

QUICK = {
    "RECONCILE_INTERVAL_SECONDS": 0.5,
    "RESEND_AFTER_SECONDS": 2,
    "MAX_ATTEMPTS": 2,
    "RETRY_BASE_SECONDS": 0.1,
    "EMBEDDING_BATCH_SIZE": 5,
    "REBUILD_BLOCK_ROWS": 2,
    "EMBEDDING_USD_PER_MILLION_TOKENS": 0.02,
    "FRESHNESS_LIMITS": "student_embedding=60,student_neighbors=120",
}
DASHES = str.maketrans("/?=", "---")
PATHS = (
    "/",
    "/?span=day",
    "/console/queues",
    "/console/queues/live",
    "/console/queues/live?state=dead",
    "/console/dead",
    "/console/dead/student_embedding",
    "/console/runs",
    "/console/schedule",
    "/console/schedule/refresh_students",
    "/console/workers",
    "/console/find?key=S001",
    "/console/keys/S001",
    "/console/keys/U1",
    "/console/keys/P1",
    "/console/audit",
    "/docs",
    "/console/keys/nobody",
)


@dataclass
class Stack:
    """All lines of the Procfile, and the provider that they use."""

    url: str
    provider: EmbeddingsServer
    log_directory: Path

    def tell(self, *events: dict[str, object]) -> None:
        """Post events, as a school would."""
        answer = httpx.post(f"{self.url}/events", json={"events": list(events)}, timeout=60)
        assert answer.status_code == 202, answer.text

    def fresh(self, kind: str = "student_embedding") -> int:
        """How many keys of a kind are fresh: students' vectors, or others."""
        found = rows("SELECT count(*) FROM freshness WHERE kind = %s AND wanted = done", kind)
        return int(found[0][0])

    def logs(self) -> str:
        """What the processes have written."""
        return logs(self.log_directory)


@pytest.fixture
def stack(stores: None, configure: Callable[..., None], tmp_path: Path) -> Iterator[Stack]:
    """Running processes and a small library whose students are known and fresh."""
    port = free_port()
    log_directory = tmp_path / "logs"
    log_directory.mkdir()
    with serving_embeddings() as provider:
        configure(OPENAI_BASE_URL=provider.url, **QUICK)
        lines = ("web", "worker", "batch", "scheduler")
        with running_lines(log_directory, *lines, PORT=port, HOST="127.0.0.1"):
            stack = Stack(f"http://127.0.0.1:{port}", provider, log_directory)
            eventually(lambda: answers(stack.url), stack.logs)
            eventually(lambda: rows("SELECT FROM schedules"), stack.logs)
            eventually(lambda: len(rows("SELECT FROM workers")) == 2, stack.logs)
            yield stack


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def page(stack: Stack) -> Iterator[Page]:
    with browser_page(stack.url) as page:
        yield page


@pytest.fixture
def album(tmp_path: Path) -> Album:
    return Album(tmp_path / "screenshots")


def ask(page: Page, label: str, yes: str, row: str | None = None) -> None:
    """Open the question of an act and say yes."""
    where = page.locator("tr", has_text=row) if row else page.locator("main")
    where.locator("summary", has_text=label).first.click()
    page.get_by_role("button", name=yes).click()


@contextmanager
def writers_waiting() -> Iterator[None]:
    """Nobody writes to the neighbour graph meanwhile, so a rebuild does not end."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as conn:
        lock_graph(conn)
        yield


def test_what_the_provider_broke_is_found_understood_and_tried_again(
    stack: Stack, page: Page, album: Album
) -> None:
    stack.tell(*books(), *loans(*names(1, 12)))
    eventually(lambda: stack.fresh() == 12 and stack.fresh("book_embedding") == 25, stack.logs)

    stack.provider.api_key = "another key"
    stack.tell(*loans(*names(13, 17)))
    eventually(lambda: len(dead()) == 5, stack.logs)
    stack.provider.api_key = None
    stack.provider.refused.add("Reading level")
    stack.tell(*loans(*names(18, 25)))
    eventually(lambda: len(dead()) == 13, stack.logs)

    page.goto("/")
    expect(page.locator(".alert")).to_contain_text(["student_embedding: 13 given up."])
    album.keep(page, "alert")
    page.get_by_role("link", name="Dead letters").first.click()
    groups = page.locator("tbody tr")
    expect(groups).to_have_count(2)
    expect(groups.nth(0)).to_contain_text("refused by the content filter")
    expect(groups.nth(0)).to_contain_text("8")
    expect(groups.nth(1)).to_contain_text("provider answered 401")
    album.show(page, "dead-letters")

    page.get_by_role("link", name="refused by the content filter").click()
    expect(page.get_by_role("checkbox")).to_have_count(9)
    page.locator("details.trace summary").first.click()
    expect(page.locator("details.trace pre").first).to_contain_text("ProviderRefusedError")
    album.show(page, "traceback")
    assert faults(page) == []

    stack.provider.refused.clear()
    page.locator("details.trace summary").first.click()
    page.get_by_label("Choose S018").check()
    page.get_by_label("Choose S019").check()
    page.locator("summary", has_text="Retry chosen").click()
    page.get_by_role("button", name="Yes, retry them").click()
    expect(page.get_by_role("status")).to_have_text("2 tried again.")
    eventually(lambda: len(dead()) == 11, stack.logs)

    page.goto("/console/dead")
    ask(page, "Discard", "Yes, discard all", row="provider answered 401")
    expect(page.get_by_role("status")).to_have_text("5 discarded.")
    ask(page, "Retry all", "Yes, retry all", row="refused by")
    expect(page.get_by_role("status")).to_have_text("6 tried again.")
    expect(page.locator(".empty")).to_contain_text("Nothing has been given up")
    page.goto("/")
    expect(page.locator("tr", has_text="student_embedding")).to_contain_text("100.0 %")
    expect(page.locator(".calm")).to_be_visible()
    assert stack.fresh() == 20


def test_a_paused_queue_is_seen_to_wait_and_a_run_is_cancelled(
    stack: Stack, page: Page, album: Album
) -> None:
    stack.tell(*books(), *loans(*names(1, 40)))
    eventually(lambda: stack.fresh() == 40, stack.logs)

    page.goto("/console/queues")
    ask(page, "Pause", "Yes, pause live", row="live")
    expect(page.get_by_role("status")).to_contain_text("live is paused")
    eventually(lambda: rows("SELECT FROM workers WHERE 'live' = ANY(queues)"), stack.logs)
    stack.tell({"event_type": "student_updated", "student_id": "S001", "age": 9})
    page.goto("/console/keys/S001")
    expect(page.locator("tr", has_text="student_embedding").first).to_contain_text("stale")
    page.goto("/console/queues")
    expect(page.locator("tr", has_text="live").first).to_contain_text("paused")
    expect(page.locator("tr", has_text="live").locator("td").first).to_have_text("1")
    album.show(page, "queues")
    ask(page, "Resume", "Yes, resume live", row="live")
    page.goto("/console/keys/S001")
    # Nobody loads the page again: it refreshes itself.
    expect(page.locator("tr", has_text="student_embedding").first).to_contain_text("fresh")
    expect(page.get_by_text("student_updated")).to_be_visible()
    expect(page.locator(".chain li li").first).to_contain_text("later")

    page.goto("/console/schedule")
    ask(page, "Run now", "Yes, run it now", row="refresh_students")
    row = page.locator("tr", has_text="refresh_students")
    expect(row).to_contain_text("done")
    expect(row).to_contain_text("by local")

    with writers_waiting():
        ask(page, "Run now", "Yes, run it now", row="rebuild_neighbors")
        page.goto("/console/runs")
        expect(page.locator("tbody tr").first).to_contain_text("running")
        album.show(page, "runs")
        ask(page, "Cancel", "Yes, cancel it", row="rebuild_neighbors")
        expect(page.get_by_role("status")).to_contain_text("ends at its next step")
    expect(page.locator("tbody tr").first).to_contain_text("cancelled")
    page.goto("/console/audit")
    expect(page.locator("tbody tr")).to_have_count(5)
    album.keep(page, "audit")


def test_every_page_can_be_used_by_everybody(stack: Stack, page: Page, album: Album) -> None:
    stack.tell(*books(), *loans(*names(1, 40)), *platform())
    eventually(lambda: stack.fresh() == 40, stack.logs)
    change(
        "UPDATE freshness SET dead_at = now(), error = 'provider answered 400', attempts = 1,"
        " wanted = wanted + 1, stale_since = now()"
        " WHERE kind = 'student_neighbors' AND key IN ('S003', 'S004')"
    )
    an_hour_passes()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for path in PATHS:
            answer = page.goto(path)
            assert answer is not None
            assert answer.status == (404 if "nobody" in path else 200), path
            assert faults(page) == []
            if scheme == "light":
                name = path.strip("/").replace("console/", "").translate(DASHES)
                album.keep(page, f"page-{name or 'overview'}")
        page.goto("/")
        album.show(page, f"overview-{scheme}")
    page.emulate_media(color_scheme="light")
    page.goto("/console/keys/S001")
    album.show(page, "key")
    page.set_viewport_size(PHONE)
    for path in PATHS:
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{path} is {wide} px wider than a phone"
    page.goto("/")
    album.show(page, "overview-phone")


def test_pages_are_read_and_acts_are_done_without_scripts_and_mouse(
    stack: Stack, page: Page
) -> None:
    assert page.context.browser is not None
    bare = page.context.browser.new_page(java_script_enabled=False, base_url=stack.url)
    bare.goto("/console/queues")
    ask(bare, "Pause", "Yes, pause batch", row="batch")
    expect(bare.get_by_role("status")).to_contain_text("batch is paused")
    bare.close()

    page.goto("/console/queues")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    resume = page.locator("tr", has_text="batch").locator("summary", has_text="Resume")
    resume.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Yes, resume batch")).to_be_focused()
    page.keyboard.press("Escape")
    expect(resume).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Yes, resume batch")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("batch goes on")


def dead() -> list[tuple[object, ...]]:
    return rows("SELECT key FROM freshness WHERE dead_at IS NOT NULL")


def an_hour_passes() -> None:
    """Figures of a day at a school, so that the plots have something to show."""
    counted: dict[str, float] = {}
    for minute in range(1440, 0, -1):
        busy = 0.15 + max(math.sin((1440 - minute) / 1440 * 9), 0) * (1 + 0.3 * math.sin(minute))
        grown = {
            "events_accepted_total": 40 * busy,
            "keys_done_total student_embedding": 34 * busy,
            "keys_done_total student_neighbors": 30 * busy,
            "keys_failed_total student_embedding": 6 * busy if minute % 400 < 25 else 0,
            "messages_total live": 9 * busy,
            "provider_requests_total": 4 * busy,
            "openai_api_errors_total": 2 * busy if minute % 400 < 25 else 0,
            "provider_tokens_total": 2600 * busy,
            "key_latency_seconds 0.1": 30 * busy,
            "key_latency_seconds 0.2": 25 * busy,
            "key_latency_seconds 0.5": 9 * busy if minute % 7 else 30 * busy,
        }
        for name, amount in grown.items():
            counted[name] = counted.get(name, 0) + round(amount)
        stale = round(14 * busy) if minute % 400 < 30 else round(2 * busy)
        figures = {**counted, "stale student_embedding": stale, "dead student_neighbors": 0}
        change(
            "INSERT INTO minutes (minute, figures)"
            " VALUES (date_trunc('minute', now()) - %s * interval '1 minute', %s)"
            " ON CONFLICT DO NOTHING",
            minute,
            Jsonb(figures),
        )
