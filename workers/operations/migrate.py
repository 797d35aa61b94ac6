"""Apply sql/migrations/NNNN_*.sql in order; safe when several release processes start at once."""

import hashlib
import time
from pathlib import Path

import psycopg
import structlog

from workers.books.vector_index import index_books
from workers.core.errors import MigrationError
from workers.core.logs import configure_logging
from workers.core.queries import SQL_DIR, query
from workers.core.stores import connect
from workers.neighbors.hnsw_index import index_vectors

LOCK = query("operations/migrate.lock_migrations")
CREATE = query("operations/migrate.create_migrations")
LIST_APPLIED = query("operations/migrate.list_applied")
RECORD = query("operations/migrate.record_applied")

log = structlog.get_logger()


def migrate(conn: psycopg.Connection, folder: Path = SQL_DIR / "migrations") -> list[str]:
    """Apply what is new, each file in a transaction of its own.

    Args:
        conn: a connection in autocommit mode; it keeps the migration lock until it is closed.

    Returns:
        The names of the files applied by this call, in order.

    Raises:
        MigrationError: a file that was applied has changed since or is gone, or a new file
            sorts before one that was applied.
    """
    while conn.execute(LOCK).fetchone() != (True,):
        time.sleep(0.1)
    conn.execute(CREATE)
    applied: dict[str, str] = dict(conn.execute(LIST_APPLIED).fetchall())
    files = {path.name: path.read_text() for path in sorted(folder.glob("*.sql"))}
    for name, checksum in applied.items():
        if name not in files or _checksum(files[name]) != checksum:
            raise MigrationError(
                f"{name} was applied and has changed or gone: add a new file instead"
            )
    new = [name for name in files if name not in applied]
    if new and applied and new[0] < max(applied):
        raise MigrationError(f"{new[0]} sorts before {max(applied)}, which has been applied")
    for name in new:
        with conn.transaction():
            conn.execute(files[name])
            conn.execute(RECORD, {"name": name, "checksum": _checksum(files[name])})
        log.info("migration_applied", name=name)
    return new


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    configure_logging()
    with connect() as conn:
        migrate(conn)
        index_vectors(conn)
        index_books(conn)
