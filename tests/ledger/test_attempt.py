"""One attempt at a batch: a key that breaks the work does not take the others along."""

import weakref
from collections.abc import Iterable

import psycopg
import pytest

from tests.library import change, ledger
from workers.core.stores import transaction
from workers.core.vocabulary import Kind
from workers.ledger import freshness
from workers.ledger.attempt import Outcome, attempt
from workers.ledger.freshness import Batch, Notification
from workers.neighbors.topk_lists import Edges

EMBEDDING = Kind.student_embedding

pytestmark = pytest.mark.usefixtures("stores")


def raise_keys(keys: Iterable[str]) -> None:
    with transaction() as conn:
        freshness.mark_stale(conn, EMBEDDING, dict.fromkeys(keys))


def done() -> set[str]:
    return {key for key, row in ledger(EMBEDDING, "done").items() if row == (1,)}


def finish(batch: Batch) -> Outcome:
    with transaction() as conn:
        ours = freshness.confirm_lease(conn, batch, batch.claims)
        freshness.mark_done(conn, batch, ours)
    return Outcome(done=ours)


@pytest.mark.parametrize("poison", [{"k0"}, {"k8"}, {"k3", "k4"}, {"k0", "k5", "k8"}, set()])
def test_keys_that_break_the_work_fail_alone_with_their_reason(poison: set[str]) -> None:
    keys = {f"k{n}" for n in range(9)}
    raise_keys(keys)

    def work(batch: Batch) -> Outcome:
        if poison & set(batch.claims):
            raise ValueError(f"cannot bear {sorted(poison & set(batch.claims))}")
        return finish(batch)

    assert attempt(EMBEDDING, "k0", work) == []
    assert done() == keys - poison
    errors = {key: row[0] for key, row in ledger(EMBEDDING, "error").items() if row[0]}
    assert errors == {key: f"ValueError: cannot bear ['{key}']" for key in poison}


def test_a_batch_that_fails_key_by_key_holds_nothing_of_the_failed_work() -> None:
    keys = [f"k{n}" for n in range(9)]
    raise_keys(keys)
    worked: list[weakref.ref[Edges]] = []
    held = []

    def work(batch: Batch) -> Outcome:
        held.append(sum(each() is not None for each in worked))
        large = Edges.none()
        worked.append(weakref.ref(large))
        raise ValueError(f"cannot bear {len(batch.claims)}") from KeyError("the cause")

    attempt(EMBEDDING, "k0", work)
    assert held == [0] * len(held)
    assert len(held) > len(keys)


def test_a_database_that_is_away_is_no_keys_fault_and_is_not_asked_again_and_again() -> None:
    raise_keys(["a", "b", "c"])
    calls = []

    def work(batch: Batch) -> Outcome:
        calls.append(batch)
        raise psycopg.OperationalError("connection lost")

    attempt(EMBEDDING, "a", work)
    assert len(calls) == 1
    assert set(ledger(EMBEDDING, "attempts", "dead_at").values()) == {(0, None)}


def test_of_keys_whose_worker_was_lost_a_process_runs_one_at_a_time() -> None:
    """Otherwise one that kills its worker takes the others along until they are dead, too."""
    raise_keys(["a", "b"])
    assert freshness.claim(EMBEDDING, "a") is not None
    change("UPDATE freshness SET lease_until = now() - interval '1 second'")
    raise_keys(["c"])
    ran: list[set[str]] = []

    def work(batch: Batch) -> Outcome:
        ran.append(set(batch.claims))
        if len(ran) == 1:
            # What another thread would find meanwhile.
            assert attempt(EMBEDDING, "a", work) == []
            assert attempt(EMBEDDING, "a", work) is None
        return finish(batch)

    # Each sends a message for the next, because others' messages may have come to nothing.
    assert attempt(EMBEDDING, "c", work) == [Notification(EMBEDDING, "c")]
    assert attempt(EMBEDDING, "c", work) == [Notification(EMBEDDING, "c")]
    assert attempt(EMBEDDING, "c", work) is None
    assert ran == [{"a"}, {"c"}, {"b"}]
