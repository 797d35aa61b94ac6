"""The ledger: watermarks, claims, leases, and what the reconciler finds."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.ledger.keys import EMBEDDING, claim, expire_leases, finish, of, raise_keys
from tests.library import change, ledger, rows
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.jobs.lease import LOST_WORKER
from workers.ledger import freshness, mark_all
from workers.ledger.contract import KindFreshness, summarize
from workers.ledger.freshness import Failure, Notification

NEIGHBORS = Kind.student_neighbors
Configure = Callable[..., None]

pytestmark = pytest.mark.usefixtures("stores")


def test_raising_a_key_counts_up_and_keeps_the_first_time_it_went_stale() -> None:
    first, second = uuid4(), uuid4()
    assert raise_keys("a", event_id=first) == {"a": 1}
    (since,) = of("a", "stale_since")
    assert raise_keys("a", "b", event_id=second) == {"a": 2, "b": 1}
    assert of("a", "stale_since", "last_event") == (since, str(second))


def test_raising_nothing_is_fine() -> None:
    assert raise_keys() == {}


def test_a_finished_key_is_fresh_and_reflects_the_event_that_was_claimed() -> None:
    event_id = uuid4()
    raise_keys("a", event_id=event_id)
    assert finish(claim()) == []
    found = rows("SELECT kind, stale_since, done_event FROM freshness WHERE key = 'a'")
    assert found == [(EMBEDDING, None, event_id)]
    assert of("a", "wanted", "done", "lease_token", "attempts") == (1, 1, None, 0)
    assert freshness.claim(EMBEDDING, "a") is None


def test_a_message_whose_key_another_worker_has_still_claims_a_full_batch(
    configure: Configure,
) -> None:
    configure(EMBEDDING_BATCH_SIZE=3)
    raise_keys("a", "b", "c", "d", "e", "f")
    for _ in range(2):
        batch = freshness.claim(EMBEDDING, "a")
        assert batch is not None
        assert len(batch.claims) == 3
    assert freshness.claim(EMBEDDING, "a") is None


def test_a_raise_during_a_run_leaves_exactly_one_more_run() -> None:
    first, second = uuid4(), uuid4()
    raise_keys("a", "b", event_id=first)
    batch = claim()
    raise_keys("a", event_id=second)
    raise_keys("a", event_id=second)
    assert finish(batch) == ["a"]
    assert of("a", "wanted", "done", "done_event") == (3, 1, str(first))
    again = claim()
    assert [(c.key, c.wanted, c.last_event) for c in again.claims.values()] == [("a", 3, second)]
    assert finish(again) == []
    assert freshness.claim(EMBEDDING, "a") is None


def test_a_batch_holds_the_named_key_and_then_the_stalest(configure: Configure) -> None:
    configure(EMBEDDING_BATCH_SIZE=3)
    for key in ("c", "a", "b", "e", "named"):
        raise_keys(key)
    assert set(claim("named").claims) == {"named", "c", "a"}
    assert set(claim("gone").claims) == {"b", "e"}


def test_a_claim_looks_up_its_keys_and_does_not_read_the_whole_ledger() -> None:
    change(
        "INSERT INTO freshness (kind, key, done, stale_since)"
        " SELECT %s, 'S' || n, (n %% 10 > 0)::int, now() FROM generate_series(1, 30000) AS n",
        EMBEDDING,
    )
    change("ANALYZE freshness")
    asked = {"kind": EMBEDDING, "key": "S7", "queue": "live", "batch": 50, "token": uuid4()}
    with connection() as conn:
        plan = conn.execute(
            "EXPLAIN " + freshness.CLAIM_DUE, {**asked, "worker": "w", "lease_seconds": 60}
        ).fetchall()
    assert not [line for (line,) in plan if "Seq Scan on freshness" in line]


def test_a_claim_counts_the_attempt_and_takes_no_key_of_another_kind() -> None:
    raise_keys("a")
    assert freshness.claim(NEIGHBORS, "a") is None
    assert claim("a").claims["a"].attempts == 1


def test_claims_of_threads_never_overlap(configure: Configure) -> None:
    configure(EMBEDDING_BATCH_SIZE=7)
    keys = [f"k{n:03}" for n in range(200)]
    raise_keys(*keys)
    together = threading.Barrier(4)

    def claim_all(_: int) -> list[str]:
        together.wait()
        mine: list[str] = []
        while (batch := freshness.claim(EMBEDDING, keys[len(mine)])) is not None:
            mine += batch.claims
        return mine

    with ThreadPoolExecutor(4) as threads:
        claimed = [key for mine in threads.map(claim_all, range(4)) for key in mine]
    assert sorted(claimed) == keys


def test_a_key_that_another_transaction_holds_is_skipped_and_not_waited_for() -> None:
    raise_keys("a", "b")
    with transaction() as conn:
        freshness.lock_keys(conn, EMBEDDING, ["a"])
        assert set(claim("a").claims) == {"b"}


def test_keys_of_a_lost_worker_are_claimed_one_by_one() -> None:
    raise_keys("a", "b", "c")
    claim()
    raise_keys("d")
    expire_leases()
    orphans = [set(claim("d").claims) for _ in range(3)]
    assert sorted(map(sorted, orphans)) == [["a"], ["b"], ["c"]]
    assert set(claim("d").claims) == {"d"}


def test_of_lost_keys_those_that_were_lost_least_often_come_first() -> None:
    raise_keys("a")
    raise_keys("b")
    assert set(claim("a").claims) == {"a", "b"}
    expire_leases()
    assert set(claim().claims) == {"a"}
    expire_leases()
    assert set(claim().claims) == {"b"}


def test_a_worker_whose_lease_was_taken_over_writes_nothing() -> None:
    raise_keys("a")
    late = claim()
    expire_leases()
    other = claim()
    with transaction() as conn:
        assert freshness.confirm_lease(conn, late, ["a"]) == []
        assert freshness.mark_done(conn, late, []) == []
    freshness.fail(late, {"a": Failure("late")})
    freshness.postpone(late, ["a"], "late", 600)
    assert of("a", "done", "error", "dead_at", "attempts") == (0, None, None, 2)
    assert rows("SELECT error, worker <> '' FROM attempts") == [(LOST_WORKER, True)]
    assert finish(other) == []
    assert of("a", "done") == (1,)


def test_a_lease_that_ran_out_but_was_not_taken_over_still_counts() -> None:
    raise_keys("a")
    batch = claim()
    expire_leases()
    finish(batch)
    assert of("a", "done", "lease_token") == (1, None)


def test_overdue_keys_are_sent_once_per_batch_and_not_again_for_a_while(
    configure: Configure,
) -> None:
    configure(EMBEDDING_BATCH_SIZE=4, RESEND_AFTER_SECONDS=600)
    raise_keys(*"abcdefghi")
    assert freshness.find_overdue() == []  # just raised, so just sent
    freshness.resend_stale()
    assert freshness.find_overdue() == [Notification(EMBEDDING, key) for key in "aei"]
    assert freshness.find_overdue() == []
    change("UPDATE freshness SET last_sent = now() - interval '601 seconds' WHERE key = 'b'")
    assert freshness.find_overdue() == [Notification(EMBEDDING, "b")]


def test_only_due_keys_are_overdue(configure: Configure) -> None:
    configure(RETRY_BASE_SECONDS=600)
    raise_keys("dead")
    freshness.fail(claim(), {"dead": Failure("refused")})
    raise_keys("waits")
    freshness.fail(claim(), {"waits": Failure("boom", 600.0)})
    raise_keys("done")
    finish(claim())
    raise_keys("leased")
    claim()
    raise_keys("due")
    change("UPDATE freshness SET last_sent = '-infinity'")
    assert freshness.find_overdue() == [Notification(EMBEDDING, "due")]


def test_each_key_of_a_lost_worker_gets_a_message_of_its_own() -> None:
    raise_keys("a", "b")
    claim()
    raise_keys("c", "d")
    expire_leases()
    change("UPDATE freshness SET last_sent = '-infinity', lease_until = now() WHERE key < 'c'")
    change("UPDATE freshness SET last_sent = '-infinity'")
    sent = freshness.find_overdue()
    assert sorted(notification.key for notification in sent) == ["a", "b", "c"]


def test_the_summary_counts_fresh_stale_and_dead_and_knows_the_oldest() -> None:
    assert summarize() == [KindFreshness(kind, 0, 0, 0, 0, None) for kind in Kind]
    assert summarize()[0].coverage == 1.0
    raise_keys("fresh 1", "fresh 2")
    finish(claim())
    raise_keys("dead")
    freshness.fail(claim(), {"dead": Failure("refused")})
    change("UPDATE freshness SET stale_since = now() - interval '1 day' WHERE key = 'dead'")
    raise_keys("stale")
    change("UPDATE freshness SET stale_since = now() - interval '1 hour' WHERE key = 'stale'")
    (found, *_) = summarize()
    assert (found.total, found.fresh, found.stale, found.dead) == (4, 2, 1, 1)
    assert found.coverage == 0.5
    assert found.oldest_stale_s == pytest.approx(3600, abs=300)


def test_forgotten_keys_leave_nothing() -> None:
    raise_keys("a", "b")
    finish(claim())
    with transaction() as conn:
        freshness.forget_keys(conn, [EMBEDDING, NEIGHBORS], ["a"])
    assert list(ledger(EMBEDDING, "done")) == ["b"]
    assert rows("SELECT key FROM attempts") == [("b",)]


def test_raising_all_raises_all_but_the_dead_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mark_all, "SLICE", 2)
    raise_keys("dead")
    freshness.fail(claim(), {"dead": Failure("refused")})
    raise_keys(*"abcde")
    finish(claim())
    assert mark_all.mark_all_stale(EMBEDDING) == 5
    assert ledger(EMBEDDING, "wanted") == {**dict.fromkeys("abcde", (2,)), "dead": (1,)}
    assert set(claim().claims) == set("abcde")
