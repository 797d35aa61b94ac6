"""Make a whole kind stale, in slices, so that no transaction holds all of it."""

from workers.core.queries import query
from workers.core.stores import transaction
from workers.core.vocabulary import Kind

MARK_SLICE = query("ledger/mark_all.mark_slice")

SLICE = 5000


def mark_all_stale(kind: Kind) -> int:
    """Make every key of a kind stale that is not dead, in slices; returns how many."""
    after, total = "", 0
    while True:
        with transaction() as conn:
            row = conn.execute(MARK_SLICE, {"kind": kind, "after": after, "most": SLICE}).fetchone()
        if row is None or row[0] is None:
            return total
        after, total = row[0], total + row[1]
