"""Keys that fail: backoff, the last attempt, what gives another chance, and who kills workers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.ledger.keys import EMBEDDING, claim, expire_leases, finish, of, raise_keys
from tests.library import change, make_due, rows
from workers.core.stores import transaction
from workers.core.worker_name import worker_name
from workers.jobs.lease import LOST_WORKER
from workers.ledger import freshness
from workers.ledger.freshness import Failure, Notification

Configure = Callable[..., None]


pytestmark = pytest.mark.usefixtures("stores")


def test_a_failed_key_backs_off_keeps_its_error_and_dies_after_the_last_attempt() -> None:
    raise_keys("a")
    for attempt in (1, 2, 3):
        batch = claim()
        dead = freshness.fail(
            batch, {"a": Failure(f"boom {attempt}", 60.0 if attempt < 3 else None, "lines")}
        )
        assert dead == (["a"] if attempt == 3 else [])
        assert freshness.claim(EMBEDDING, "a") is None
        make_due()
    assert of("a", "error", "attempts", "lease_token") == ("boom 3", 3, None)
    assert freshness.claim(EMBEDDING, "a") is None
    stored = rows("SELECT wanted, error, traceback FROM attempts ORDER BY attempt_id")
    assert stored == [(1, f"boom {n}", "lines") for n in (1, 2, 3)]
    assert rows("SELECT dead_at IS NOT NULL FROM freshness WHERE key = 'a'") == [(True,)]


def test_a_final_failure_is_dead_at_once_and_the_others_of_its_batch_are_not() -> None:
    raise_keys("a", "b")
    failures = {"a": Failure("refused"), "b": Failure("boom", 600.0)}
    assert freshness.fail(claim(), failures) == ["a"]
    make_due()
    assert set(claim().claims) == {"b"}


def test_a_postponed_key_burns_no_attempt_however_often(configure: Configure) -> None:
    configure(MAX_ATTEMPTS=2)
    raise_keys("a")
    for _ in range(5):
        freshness.postpone(claim("a"), ["a"], "provider is down", 600)
        assert freshness.claim(EMBEDDING, "a") is None
        make_due()
    assert of("a", "attempts", "error", "dead_at") == (0, "provider is down", None)
    finish(claim())
    assert of("a", "error") == (None,)


def test_a_new_event_gives_a_dead_key_a_new_chance(configure: Configure) -> None:
    configure(RETRY_BASE_SECONDS=600)
    raise_keys("a")
    freshness.fail(claim(), {"a": Failure("refused")})
    raise_keys("a")
    assert of("a", "dead_at", "error", "attempts") == (None, None, 0)
    assert claim().claims["a"].attempts == 1


def test_an_event_during_the_run_that_kills_a_key_gives_it_a_new_chance_too() -> None:
    raise_keys("a")
    batch = claim()
    raise_keys("a")
    assert freshness.fail(batch, {"a": Failure("refused")}) == []
    make_due()
    again = claim().claims["a"]
    assert (again.wanted, again.attempts) == (2, 1)


def test_a_new_event_does_not_cut_a_backoff_short(configure: Configure) -> None:
    configure(RETRY_BASE_SECONDS=600)
    raise_keys("a")
    freshness.fail(claim(), {"a": Failure("boom", 600.0)})
    raise_keys("a")
    assert freshness.claim(EMBEDDING, "a") is None


def test_a_key_that_takes_its_worker_along_every_time_is_buried(configure: Configure) -> None:
    configure(MAX_ATTEMPTS=2)
    raise_keys("a")
    claim()
    assert freshness.bury_lost() == []
    expire_leases()
    assert freshness.bury_lost() == []
    claim()
    expire_leases()
    assert freshness.claim_orphan(EMBEDDING) is None
    assert freshness.claim(EMBEDDING, "a") is None
    assert freshness.bury_lost() == [Notification(EMBEDDING, "a")]
    assert freshness.bury_lost() == []
    (error,) = of("a", "error")
    assert "the worker was lost during the job on each of 2 attempts" in str(error)
    noted = rows("SELECT error, worker FROM attempts WHERE key = 'a' ORDER BY attempt_id")
    assert noted == [(LOST_WORKER, worker_name()), (error, worker_name())]


def test_failing_keys_and_raising_them_at_once_is_no_deadlock() -> None:
    """`fail` and `postpone` lock in the order that everybody locks in: by key."""
    raise_keys("b")
    raise_keys("a")  # after "b" in the table
    change("ANALYZE freshness")
    batch = claim()
    with ThreadPoolExecutor(1) as thread:
        with transaction() as conn:
            freshness.mark_stale(conn, EMBEDDING, {"a": None})
            failing = thread.submit(
                freshness.fail, batch, dict.fromkeys("ba", Failure("boom", 600.0))
            )
            wait_for_a_blocked_backend()
            freshness.mark_stale(conn, EMBEDDING, {"b": None})
        assert failing.result() == []
    make_due()
    batch = claim()
    with ThreadPoolExecutor(1) as thread:
        with transaction() as conn:
            freshness.mark_stale(conn, EMBEDDING, {"a": None})
            postponing = thread.submit(freshness.postpone, batch, ["b", "a"], "down", 1)
            wait_for_a_blocked_backend()
            freshness.mark_stale(conn, EMBEDDING, {"b": None})
        postponing.result()


def wait_for_a_blocked_backend() -> None:
    blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while rows(blocked) == [(0,)]:
        pass
