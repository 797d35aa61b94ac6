"""Freshness as a contract: per kind, how much is fresh and how old the oldest stale key is."""

from dataclasses import dataclass

from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.stores import connection
from workers.core.vocabulary import Kind
from workers.ledger.kinds import limit_seconds

SUMMARIZE = query("ledger/contract.summarize")


@dataclass(frozen=True)
class KindFreshness:
    """The contract for one kind; ages in seconds, coverage in [0, 1]."""

    kind: Kind
    total: int
    fresh: int
    stale: int
    dead: int
    oldest_stale_s: float | None

    @property
    def coverage(self) -> float:
        """Share of keys that are fresh; 1 when there is nothing to keep fresh."""
        return self.fresh / self.total if self.total else 1.0

    @property
    def limit_s(self) -> float:
        """How old the oldest stale key may be, in seconds."""
        return limit_seconds(self.kind)

    @property
    def ok(self) -> bool:
        """Whether the contract is kept: nothing dead, nothing stale for longer than its limit."""
        return self.dead == 0 and (self.oldest_stale_s or 0) <= self.limit_s


def summarize() -> list[KindFreshness]:
    """Summarize the contract of every kind, also of those that have no keys yet."""
    with connection() as conn, conn.cursor(row_factory=class_row(KindFreshness)) as cursor:
        found = {row.kind: row for row in cursor.execute(SUMMARIZE)}
    return [found.get(kind) or KindFreshness(kind, 0, 0, 0, 0, None) for kind in Kind]
