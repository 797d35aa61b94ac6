"""The IVFFlat index over users' vectors.

Every two hours most users' vectors are replaced. HNSW takes 0.5 to 1.4 ms for each, several times
as long as everything else together; IVFFlat about a hundredth of a millisecond. It has to be built
from vectors that are there, so there is none over a small population, which is compared in full,
and a new one whenever the population has doubled.
"""

import math

import psycopg
import structlog
from psycopg import sql

from workers.core.queries import query

COUNT = query("users/index.count_users")
FIND = query("users/index.find_indexes")
DROP = query("users/index.drop_index")
CREATE = query("users/index.create_index")

# Below this many users a scan is as quick as an index (IVFFlat), and exact.
MIN_USERS = 2000
# Users in an inverted list, about: a search reads some lists, so longer ones cost time, and shorter
# ones find less.
USERS_PER_LIST = 200
# Lists at most: building the index compares every user with the centre of every list.
MAX_INVERTED_LISTS = 1024

log = structlog.get_logger()


def index_users(conn: psycopg.Connection) -> bool:
    """Build an index that fits the population unless there is one; drop those that do not fit.

    Args:
        conn: a connection in autocommit mode, because CONCURRENTLY cannot run in a transaction.

    Returns:
        Whether an index was built.
    """
    ((users,),) = conn.execute(COUNT)
    if users < MIN_USERS:
        return False
    lists = fitting_lists(users)
    wanted = f"user_embeddings_ivfflat_{lists}"
    found = {name: valid for name, valid, _ in conn.execute(FIND)}
    if not found.get(wanted):
        parts = {"name": sql.Identifier(wanted), "lists": sql.Literal(lists)}
        conn.execute(sql.SQL(DROP).format(**parts))
        conn.execute(sql.SQL(CREATE).format(**parts))
        log.info("user_index_built", index=wanted, users=users)
    for name in found:
        if name != wanted:
            conn.execute(sql.SQL(DROP).format(name=sql.Identifier(name)))
    return not found.get(wanted)


def fitting_lists(users: int) -> int:
    """Choose a power of two, so that the number changes when the population has doubled."""
    return min(
        MAX_INVERTED_LISTS, 1 << round(math.log2(max(users, USERS_PER_LIST) / USERS_PER_LIST))
    )
