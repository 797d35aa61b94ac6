"""The HNSW index over the current model's vectors, built CONCURRENTLY."""

import hashlib

import psycopg
import structlog
from psycopg import sql

from workers.queries import query
from workers.settings import settings

FIND = query("index_vectors.find_index")
DROP = query("index_vectors.drop_index")
CREATE = query("index_vectors.create_index")

log = structlog.get_logger()


def index_vectors(conn: psycopg.Connection) -> bool:
    """Make sure that the current model and dimension have a usable index.

    Args:
        conn: a connection in autocommit mode, because CONCURRENTLY cannot run in a transaction.

    Returns:
        Whether an index was built.
    """
    model, dimensions = settings().model, settings().embedding_dimensions
    # One index per model and dimension: a name of bounded length whatever the model is called.
    digest = hashlib.sha256(f"{model} {dimensions}".encode()).hexdigest()[:12]
    name = f"student_embeddings_hnsw_{digest}"
    found = conn.execute(FIND, {"name": name}).fetchone()
    if found == (True,):
        return False
    parts = {
        "name": sql.Identifier(name),
        "model": sql.Literal(model),
        "dimensions": sql.Literal(dimensions),
    }
    conn.execute(sql.SQL(DROP).format(**parts))
    conn.execute(sql.SQL(CREATE).format(**parts))
    log.info("vector_index_built", index=name, model=model, dimensions=dimensions)
    return True
