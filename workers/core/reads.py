"""A read of one statement, apart from how long its caller may wait for Postgres.

A worker, a command or a thread waits with `fetch`. The web's event loop must not wait, and awaits
`fetch` of routes/http/quick_reads.py; the statement and what its rows mean are the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from psycopg.rows import dict_row

from workers.core.stores import connection

T = TypeVar("T")
Answer_co = TypeVar("Answer_co", covariant=True)
Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True)
class ReadQuery(Generic[Answer_co]):
    """A statement with its parameters, and `read`, which makes the answer of all its rows.

    Rows are read by the names of their columns. `read` raises what its caller has to know of them,
    for one `UnknownKeyError` where there are none.
    """

    statement: str
    parameters: Mapping[str, object]
    read: Callable[[Rows], Answer_co]


def fetch(read_query: ReadQuery[T]) -> T:
    """Run a read on a pooled connection and wait for its answer."""
    with connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(read_query.statement, read_query.parameters).fetchall()
    return read_query.read(rows)
