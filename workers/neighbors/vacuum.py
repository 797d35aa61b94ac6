"""Space of replaced vectors and edges is freed as it falls due.

Autovacuum looks once a minute. At a thousand updates a second it would find sixty thousand dead
vectors and four million dead edges, and every scan until then would pay for them. Only where the
vectors are indexed they are left to it: that takes a minute, and nobody's neighbours wait for it.
"""

import psycopg

from workers.core.queries import query

VACUUM_GRAPH = query("neighbors/vacuum.vacuum_graph")
VACUUM_EDGES = query("neighbors/vacuum.vacuum_edges")
HAS_VECTOR_INDEX = query("neighbors/vacuum.has_vector_index")

# A vacuum is due when this share of the students has moved since the last one.
DUE_SHARE = 0.2
MIN_MOVED = 500


class VacuumClock:
    """Counts moved students between vacuums."""

    def __init__(self) -> None:
        self.moved = 0

    def count(self, conn: psycopg.Connection, moved: int, students: int) -> bool:
        """Note moved students and vacuum if it is due; returns whether it was.

        Args:
            conn: a connection in autocommit mode, because VACUUM cannot run in a transaction.
        """
        self.moved += moved
        if self.moved < max(DUE_SHARE * students, MIN_MOVED):
            return False
        self.moved = 0
        indexed = conn.execute(HAS_VECTOR_INDEX).fetchone() == (True,)
        conn.execute(VACUUM_EDGES if indexed else VACUUM_GRAPH)
        return True
