"""A school that is served with keys, and a browser in front of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from embedded.ports import free_port
from tests.api.test_access import SECRETS, let_teachers_in
from tests.browser import browser_page
from tests.library_pages.school import open_school
from tests.lines import logs, running_lines
from tests.processes import eventually
from workers.core.api_keys import Role


@contextmanager
def school_in_browser(directory: Path) -> Iterator[Page]:
    """A page of a browser over the school; the web process logs into `directory`."""
    open_school()
    let_teachers_in()
    with in_browser(directory) as page:
        yield page


@contextmanager
def in_browser(directory: Path) -> Iterator[Page]:
    """A page of a browser over what is stored; the web process logs into `directory`."""
    directory.mkdir()
    port = free_port()
    with running_lines(directory, "web", PORT=port, HOST="127.0.0.1"):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url), lambda: logs(directory))
        with browser_page(url) as page:
            yield page


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def log_in(page: Page, role: Role) -> None:
    """Log in with the key of a role, and be on the library's first page."""
    page.context.clear_cookies()
    page.goto("/library")
    page.get_by_label("API key").fill(SECRETS[role])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
