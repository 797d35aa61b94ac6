"""The HNSW index over books' vectors, which search needs once it cannot compare them all."""

import hashlib

import psycopg
import structlog
from psycopg import sql

from workers.core.queries import query
from workers.core.settings import settings

COUNT = query("books/vector_index.count_vectors")
FIND = query("books/vector_index.find_index")
FIND_OTHERS = query("books/vector_index.find_other_indexes")
DROP = query("books/vector_index.drop_index")
CREATE = query("books/vector_index.create_index")
BUILD_IN_MEMORY = query("books/vector_index.build_in_memory")

# So many are compared without an index, which would miss some; beyond that comparing takes longer
# with every book. Not measured yet.
COMPARED_MAX_BOOKS = 5000
BUILD_MEMORY = "512MB"

log = structlog.get_logger()


def index_books(conn: psycopg.Connection) -> bool:
    """Build the index if there are too many books to compare them all, and drop other models'.

    Args:
        conn: a connection in autocommit mode, because CONCURRENTLY cannot run in a transaction,
            and of its own, because it keeps its memory for builds.

    Returns:
        Whether an index was built.
    """
    spec = settings().student_embedding
    name = _index_name()
    for (other,) in conn.execute(FIND_OTHERS, {"name": name}).fetchall():
        conn.execute(sql.SQL(DROP).format(name=sql.Identifier(other)))
    if count_vectors(conn) <= COMPARED_MAX_BOOKS or indexed_books(conn) is not None:
        return False
    parts = {
        "name": sql.Identifier(name),
        "model": sql.Literal(spec.model),
        "dimensions": sql.Literal(spec.dimensions),
    }
    conn.execute(sql.SQL(DROP).format(**parts))
    conn.execute(BUILD_IN_MEMORY, {"memory": BUILD_MEMORY})
    conn.execute(sql.SQL(CREATE).format(**parts))
    log.info("book_index_built", index=name, model=spec.model, dimensions=spec.dimensions)
    return True


def indexed_books(conn: psycopg.Connection) -> int | None:
    """Estimate how many books the index over the current model's vectors has; None without one."""
    row = conn.execute(FIND, {"name": _index_name()}).fetchone()
    return None if row is None else row[0]


def count_vectors(conn: psycopg.Connection) -> int:
    """Count the books that the current model knows."""
    spec = settings().student_embedding
    row = conn.execute(COUNT, {"model": spec.model, "dimensions": spec.dimensions}).fetchone()
    return row[0] if row else 0


def _index_name() -> str:
    """Name the index of this model and dimension: of bounded length whatever they are called."""
    spec = settings().student_embedding
    digest = hashlib.sha256(f"{spec.model} {spec.dimensions}".encode()).hexdigest()[:12]
    return f"book_embeddings_hnsw_{digest}"
