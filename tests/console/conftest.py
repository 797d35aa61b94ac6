"""The console's pages asked for with keys, and a library of one student to show."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

# What reads the settings is imported late: pytest loads this file before they are there.


@pytest.fixture
def keyed(client: TestClient, configure: Callable[..., None]) -> TestClient:
    """With keys, and without redirects being followed."""
    from tests.api.test_access import API_KEYS

    configure(API_KEYS=API_KEYS)
    client.follow_redirects = False
    return client


@pytest.fixture
def library(keyed: TestClient) -> TestClient:
    from tests.library import borrowed, fact, record
    from workers.jobs.schedules import register_job
    from workers.students import recompute as work

    register_job("prune_history", "30 3 * * *")
    record(fact("book_added", book_id="B1", title="One", genre=["poetry"]), borrowed("S1"))
    work.recompute_student("S1")
    return keyed
