"""Real servers for every test: one Postgres and one Redis a session, a cloned database a test."""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import CodeType, FrameType
from urllib.parse import urlsplit
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql
from starlette.testclient import TestClient

from embedded.services import embedded_services
from tests.collection import Documents, documents_collection
from tests.embeddings_server import EmbeddingsServer, serving_embeddings

_services = ExitStack()
# Bytes; a process' servers hold a quarter of it at most.
MEMORY_WANTED = 2 * 2**30
SLOW_FOLDERS = ("failures", "library_pages")

# Hypothesis' own limits are of time, and a machine that is busy is not a defect.
hypothesis.settings.register_profile(
    "kinfold", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("kinfold")


def pytest_configure(config: pytest.Config) -> None:
    """Before any module is collected, because importing the actors reads the settings.

    With `-n` each process that runs tests has its servers, and the one that shares them out none.
    """
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    made = tempfile.TemporaryDirectory(prefix="kinfold-tests-", dir=_memory_as_a_disk())
    home = Path(_services.enter_context(made))
    urls = _services.enter_context(embedded_services(home, mongo=True))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "API_KEYS", "STORE_REDIS_URL", "KINFOLD_ENV"):
        os.environ.pop(name, None)
    os.environ["DATABASE_URL"] = urls.database_url
    os.environ["REDIS_URL"] = urls.redis_url
    os.environ["MONGO_URL"] = urls.mongo_url
    os.environ["EMBEDDING_DIMENSIONS"] = "256"


def _memory_as_a_disk() -> str | None:
    """Where making a database, which is some hundred files, takes a quarter of the time.

    None where there is no such place, or little room in it: a container may have 64 MB.
    """
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_WANTED
    return str(memory) if roomy else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts the whole product, or a browser, test by test."""
    for item in items:
        if item.path.parent.name in SLOW_FOLDERS:
            item.add_marker(pytest.mark.slow)


def pytest_unconfigure() -> None:
    _services.close()


@pytest.fixture(scope="session")
def template_url() -> str:
    """The migrated database that every test's own one is cloned from."""
    from workers.neighbors.hnsw_index import index_vectors
    from workers.operations.migrate import migrate

    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as conn:
        migrate(conn)
        index_vectors(conn)
    return url


@pytest.fixture
def database_url(template_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of its own, with the environment pointing at it."""
    name = f"test_{uuid4().hex}"
    admin_url = urlsplit(template_url)._replace(path="/postgres").geturl()
    template = urlsplit(template_url).path[1:]
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    url = urlsplit(template_url)._replace(path=f"/{name}").geturl()
    monkeypatch.setenv("DATABASE_URL", url)
    yield url
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """A process of the test's own, with nothing in it yet."""
    from workers.core.process import new_process

    with new_process():
        yield


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    """Settings are read anew, before and after the test."""
    from workers.core.settings import settings

    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def stores(database_url: str, fresh_settings: None) -> Iterator[None]:
    """Open stores on an empty, migrated database and an empty Redis."""
    from workers.core.stores import opened_stores

    with opened_stores() as opened:
        opened.redis.flushall()
        yield


@pytest.fixture
def configure(fresh_settings: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change settings for the rest of the test: `configure(MAX_ATTEMPTS=2)`."""

    def change(**variables: object) -> None:
        from workers.core.process import process
        from workers.core.settings import settings

        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        # A thread that began to read the settings before would keep the old ones, for everybody.
        while _is_run_elsewhere(settings.__wrapped__.__code__):
            time.sleep(0.001)
        settings.cache_clear()
        process().forget()  # like one that starts with these settings

    return change


def _is_run_elsewhere(code: CodeType) -> bool:
    """Say whether another thread is inside this function."""
    for thread, innermost in sys._current_frames().items():  # nothing else tells
        frame: FrameType | None = innermost
        while frame is not None and thread != threading.get_ident():
            if frame.f_code is code:
                return True
            frame = frame.f_back
    return False


@pytest.fixture
def embeddings_server(configure: Callable[..., None]) -> Iterator[EmbeddingsServer]:
    """A provider over real HTTP, chosen by the settings; one that hangs is given up soon."""
    with serving_embeddings() as server:
        configure(OPENAI_BASE_URL=server.url, EMBEDDING_TIMEOUT_S=0.5)
        yield server


@pytest.fixture
def documents(stores: None, configure: Callable[..., None]) -> Iterator[Documents]:
    """An empty collection of documents of its own, and open stores that read it."""
    with documents_collection(os.environ["MONGO_URL"]) as found:
        configure(MONGO_COLLECTION=found.collection.name)
        yield found


@pytest.fixture
def client(stores: None) -> Iterator[TestClient]:
    """The app, called from this machine; what it fails to handle is raised in the test."""
    from api import app

    with TestClient(app, "http://127.0.0.1", client=("127.0.0.1", 50000)) as client:
        yield client
