"""The embedded stack as the benchmarks use it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embedded.services import embedded_services
from workers.migrate import migrate
from workers.settings import settings
from workers.stores import close_stores, connect, open_stores


@contextmanager
def prepared(**variables: object) -> Iterator[None]:
    """Durable embedded services, migrated, with open stores and these settings."""
    with tempfile.TemporaryDirectory() as home, embedded_services(Path(home), durable=True) as urls:
        os.environ |= {"DATABASE_URL": urls.database_url, "REDIS_URL": urls.redis_url}
        os.environ |= {name: str(value) for name, value in variables.items()}
        settings.cache_clear()
        with connect() as conn:
            migrate(conn)
        open_stores()
        yield
        close_stores()
