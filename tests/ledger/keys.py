"""A few keys of the ledger: raised, claimed, finished, and looked at."""

from collections.abc import Iterable
from uuid import UUID

from tests.library import change, ledger
from workers.core.stores import transaction
from workers.core.vocabulary import Kind
from workers.ledger import freshness
from workers.ledger.freshness import Batch

EMBEDDING = Kind.student_embedding


def raise_keys(*keys: str, event_id: UUID | None = None) -> dict[str, int]:
    with transaction() as conn:
        return freshness.mark_stale(conn, EMBEDDING, dict.fromkeys(keys, event_id))


def claim(key: str = "nobody") -> Batch:
    """As an attempt does it: lost keys first."""
    batch = freshness.claim_orphan(EMBEDDING) or freshness.claim(EMBEDDING, key)
    assert batch is not None
    return batch


def finish(batch: Batch, keys: Iterable[str] | None = None) -> list[str]:
    with transaction() as conn:
        ours = freshness.confirm_lease(conn, batch, list(keys or batch.claims))
        return freshness.mark_done(conn, batch, ours)


def expire_leases() -> None:
    change("UPDATE freshness SET lease_until = now() - interval '1 second'")


def of(key: str, *columns: str) -> tuple[object, ...]:
    return ledger(EMBEDDING, *columns)[key]
