"""Make a whole kind stale, in slices, so that no transaction holds all of it."""

from workers.freshness import Kind
from workers.queries import query
from workers.stores import transaction

RAISE_ALL = query("raise_all.raise_slice")

SLICE = 5000


def raise_all(kind: Kind) -> int:
    """Make every key of a kind stale that is not dead, in slices; returns how many."""
    after, total = "", 0
    while True:
        with transaction() as conn:
            row = conn.execute(RAISE_ALL, {"kind": kind, "after": after, "most": SLICE}).fetchone()
        if row is None or row[0] is None:
            return total
        after, total = row[0], total + row[1]
