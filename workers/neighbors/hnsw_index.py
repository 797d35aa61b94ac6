"""The HNSW index over the current model's vectors, built CONCURRENTLY."""

import hashlib

import psycopg
import structlog
from psycopg import sql

from workers.core.queries import query
from workers.core.settings import settings

FIND = query("neighbors/hnsw_index.find_index")
DROP = query("neighbors/hnsw_index.drop_index")
CREATE = query("neighbors/hnsw_index.create_index")
BUILD_IN_MEMORY = query("neighbors/hnsw_index.build_in_memory")
VACUUM_SELDOM = query("neighbors/hnsw_index.vacuum_seldom")
COUNT = query("neighbors/hnsw_index.count_vectors")

# A build that fits into memory takes a quarter of the time: 100,000 vectors of 1,536 do.
BUILD_MEMORY = "512MB"

log = structlog.get_logger()


def index_vectors(conn: psycopg.Connection) -> bool:
    """Build the index if the population has outgrown what workers search themselves.

    Below that it would only make every update slower.

    Args:
        conn: a connection in autocommit mode, because CONCURRENTLY cannot run in a transaction,
            and of its own, because it keeps its memory for builds.

    Returns:
        Whether an index was built.
    """
    model, dimensions = settings().model, settings().embedding_dimensions
    if count_vectors(conn) <= settings().max_students_without_hnsw or index_is_ready(conn):
        return False
    name = _index_name()
    parts = {
        "name": sql.Identifier(name),
        "model": sql.Literal(model),
        "dimensions": sql.Literal(dimensions),
    }
    conn.execute(VACUUM_SELDOM)
    conn.execute(sql.SQL(DROP).format(**parts))
    conn.execute(BUILD_IN_MEMORY, {"memory": BUILD_MEMORY})
    conn.execute(sql.SQL(CREATE).format(**parts))
    log.info("vector_index_built", index=name, model=model, dimensions=dimensions)
    return True


def index_is_ready(conn: psycopg.Connection) -> bool:
    """Say whether searches can use an index over the current model's vectors."""
    return conn.execute(FIND, {"name": _index_name()}).fetchone() == (True,)


def count_vectors(conn: psycopg.Connection) -> int:
    """Count the students that the current model knows."""
    model, dimensions = settings().model, settings().embedding_dimensions
    row = conn.execute(COUNT, {"model": model, "dimensions": dimensions}).fetchone()
    return row[0] if row else 0


def _index_name() -> str:
    """Name the index of a model and dimension, in bounded length however long its name."""
    model, dimensions = settings().model, settings().embedding_dimensions
    digest = hashlib.sha256(f"{model} {dimensions}".encode()).hexdigest()[:12]
    return f"student_embeddings_hnsw_{digest}"
