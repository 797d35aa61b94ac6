"""The library's pages asked for with keys, over a small school."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

if TYPE_CHECKING:
    from playwright.sync_api import Page

# What reads the settings is imported late: pytest loads this file before they are there.


@pytest.fixture
def keyed(client: TestClient, configure: Callable[..., None]) -> TestClient:
    """With keys, and without redirects being followed."""
    from tests.api.test_access import API_KEYS

    configure(API_KEYS=API_KEYS)
    client.follow_redirects = False
    return client


@pytest.fixture
def school(keyed: TestClient) -> TestClient:
    """Two classes of ten who have borrowed books; nobody is logged in."""
    from tests.library_pages.school import open_school

    open_school()
    return keyed


@pytest.fixture
def librarian(school: TestClient) -> TestClient:
    """The school, with a librarian logged in."""
    from tests.console.session import log_in
    from workers.core.api_keys import Role

    log_in(school, Role.librarian)
    return school


@pytest.fixture
def teacher(school: TestClient) -> TestClient:
    """The school, with the teacher of the first class logged in."""
    from tests.console.session import log_in
    from workers.core.api_keys import Role

    log_in(school, Role.teacher)
    return school


@pytest.fixture
def page(stores: None, configure: Callable[..., None], tmp_path: Path) -> "Iterator[Page]":
    """A browser over the school, which is served with keys; nobody is logged in."""
    from tests.api.test_access import API_KEYS
    from tests.library_pages.walking import school_in_browser

    configure(API_KEYS=API_KEYS)
    with school_in_browser(tmp_path / "logs") as page:
        yield page
