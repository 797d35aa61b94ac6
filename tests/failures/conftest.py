"""Servers of their own for the failures: they are stopped and frozen. One pair a session."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.embeddings_server import EmbeddingsServer, serving_embeddings
from tests.failures.cluster import QUICK, Cluster
from tests.failures.servers import Servers, running_servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """A Postgres with a migrated template and a Redis, both started with the first failure."""
    from workers.operations.migrate import migrate

    with (
        tempfile.TemporaryDirectory(prefix="kinfold-failures-") as home,
        running_servers(Path(home)) as servers,
    ):
        with psycopg.connect(servers.postgres.url, autocommit=True) as conn:
            migrate(conn)
        yield servers


@pytest.fixture
def cluster(
    servers: Servers,
    tmp_path: Path,
    configure: Callable[..., None],
) -> Iterator[Cluster]:
    """Empty servers, no process yet; the test's own settings and clients point there, too."""
    from workers.core.stores import opened_stores

    url, admin_url = _new_database(servers)
    servers.wipe_redis()
    configure(DATABASE_URL=url, REDIS_URL=servers.redis.url, EMBEDDING_DIMENSIONS=64, **QUICK)
    cluster = Cluster(servers, tmp_path)
    try:
        with opened_stores():
            try:
                yield cluster
            finally:
                cluster.stop()
    finally:
        servers.mend()
        with psycopg.connect(admin_url, autocommit=True) as admin:
            name = sql.Identifier(urlsplit(url).path[1:])
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _new_database(servers: Servers) -> tuple[str, str]:
    template = urlsplit(servers.postgres.url)
    admin_url = template._replace(path="/postgres").geturl()
    name = f"test_{uuid4().hex}"
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template.path[1:])
            )
        )
    return template._replace(path=f"/{name}").geturl(), admin_url


@pytest.fixture
def provider(cluster: Cluster, configure: Callable[..., None]) -> Iterator[EmbeddingsServer]:
    """An embeddings provider over HTTP that the lines use; one that hangs is given up soon."""
    with serving_embeddings() as server:
        configure(OPENAI_BASE_URL=server.url, EMBEDDING_TIMEOUT_S=2)
        yield server
