"""A result that was asked for is computed again as soon as its inputs are fresh."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.embeddings_server import EmbeddingsServer, Fault
from tests.library import change, record, rows, stale
from tests.platform import (
    acted,
    assert_interests,
    axis,
    given_post,
    interests,
    post,
    post_deleted,
    posts,
    reason,
    recompute_all,
    request,
)
from tests.processes import eventually
from tests.triggers import on_insert
from tests.work_off import work_off
from workers.core.vocabulary import Kind
from workers.jobs.runs import RunKind, create_run, read_run
from workers.ledger import freshness
from workers.ledger.freshness import find_overdue
from workers.users import interests as interests_worker
from workers.users import recompute
from workers.users.posts import recompute_post
from workers.users.recompute import recompute_user
from workers.users.runs import recompute_users, request_users

USER = Kind.user_embedding

pytestmark = pytest.mark.usefixtures("stores")


@contextmanager
def in_a_batch(monkeypatch: pytest.MonkeyPatch, user_id: str) -> Iterator[None]:
    """A worker has claimed the user and read the actions, and stores after the block."""
    has_read, may_store = threading.Event(), threading.Event()
    compute = interests_worker.compute_interests

    def compute_slowly(user_ids: list[str]) -> object:
        found = compute(user_ids)
        monkeypatch.undo()
        has_read.set()
        assert may_store.wait(60)
        return found

    change("UPDATE freshness SET not_before = now() WHERE key = %s", user_id)
    monkeypatch.setattr(recompute, "compute_interests", compute_slowly)
    with ThreadPoolExecutor(1) as worker:
        batch = worker.submit(recompute_user, user_id)
        assert has_read.wait(60)
        try:
            yield
        finally:
            may_store.set()
        batch.result()


def test_a_user_who_is_asked_for_while_in_a_batch_is_computed_again_and_the_run_waits_for_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    posts()
    record(acted("U", "P0"))
    with ThreadPoolExecutor(1) as worker:
        with in_a_batch(monkeypatch, "U"):
            record(acted("U", "P1"))
            requested = request_users(["U"])
            run = worker.submit(recompute_users, requested.run_id)
            eventually(lambda: read_run(requested.run_id).state == "running")
        run.result()
    assert_interests("U", 1, 1)
    assert stale(USER) == set()
    found = read_run(requested.run_id)
    assert (found.state, found.total, found.done, found.provisional) == ("done", 1, 1, 0)


def test_a_user_who_is_asked_for_while_in_a_batch_needs_no_run_that_still_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    posts()
    record(acted("U", "P0"))
    with in_a_batch(monkeypatch, "U"):
        record(acted("U", "P1"))
        request_users(["U"])
    change("UPDATE freshness SET last_sent = '-infinity'")
    work_off(find_overdue())
    assert_interests("U", 1, 1)


def test_a_run_over_all_takes_along_who_was_in_a_batch_when_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    posts()
    record(acted("U", "P0"))
    with ThreadPoolExecutor(1) as worker:
        with in_a_batch(monkeypatch, "U"):
            record(acted("U", "P1"))
            run_id = create_run(RunKind.recompute_users)
            run = worker.submit(recompute_users, run_id)
            eventually(lambda: read_run(run_id).state == "running")
        run.result()
    assert_interests("U", 1, 1)
    assert stale(USER) == set()
    assert (read_run(run_id).state, read_run(run_id).done) == ("done", 1)


@pytest.mark.parametrize("named", [True, False])
def test_posts_actions_and_a_recompute_in_one_go_give_interests_a_moment_later(
    named: bool,
) -> None:
    notifications = record(given_post("P0", axis(0)), acted("U", "P0")).notifications
    run = read_run(request("U")) if named else recompute_all()
    assert reason("U") == "no_embeddings"
    assert (run.state, run.total, run.done, run.provisional) == ("done", 1, 1, 1)
    work_off(notifications)
    assert_interests("U", 1)
    assert (reason("U"), stale(USER)) == (None, set())
    record(acted("U", "P0"))
    assert stale(USER) == {"U"}, "whoever asked has the result: from here on the schedule counts"
    assert recompute_user("U") == []
    assert stale(USER) == {"U"}


def test_each_post_that_becomes_fresh_makes_the_interests_that_were_asked_for_better() -> None:
    first = record(given_post("P0", axis(0)), acted("U", "P0")).notifications
    (before,) = [each for each in first if each.kind == Kind.post_embedding]
    request("U")
    record(given_post("P1", axis(1)), acted("U", "P1"))
    change("UPDATE freshness SET not_before = 'infinity' WHERE key = 'P1'")
    work_off([before])
    assert_interests("U", 1)
    change("UPDATE freshness SET not_before = now() WHERE key = 'P1'")
    work_off(freshness.notifications_of(Kind.post_embedding, ["P1"]))
    assert_interests("U", 1, 1)
    assert stale(USER) == set()


def test_a_vector_from_before_a_post_changed_is_provisional_too() -> None:
    posts()
    record(acted("U", "P0"))
    notifications = record(given_post("P0", axis(9))).notifications
    assert read_run(request("U")).provisional == 1
    assert_interests("U", 1)
    work_off(notifications)
    assert interests("U") == pytest.approx(axis(9).tolist(), abs=1e-6)


def test_a_post_that_becomes_fresh_during_the_work_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notifications = record(given_post("P0", axis(0)), acted("U", "P0")).notifications
    request_users(["U"])
    with in_a_batch(monkeypatch, "U"):
        work_off(notifications)
    change("UPDATE freshness SET last_sent = '-infinity'")
    work_off(find_overdue())
    assert_interests("U", 1)
    assert stale(USER) == set()


def test_who_was_not_asked_for_waits_for_the_schedule_when_a_post_becomes_fresh() -> None:
    posts()
    record(acted("U", "P0"))
    recompute_all()
    work_off(record(given_post("P0", axis(9))).notifications)
    assert stale(USER) == {"U"}
    assert find_overdue() == []


def test_an_action_alone_computes_nobody_again_while_a_post_is_stale() -> None:
    record(given_post("P0", axis(0)), acted("U", "P0"))
    request("U")
    record(acted("U", "P0"))
    change("UPDATE freshness SET last_sent = '-infinity' WHERE kind = 'user_embedding'")
    assert [each for each in find_overdue() if each.kind == USER] == []
    assert recompute_user("U") == []
    assert stale(USER) == {"U"}


def test_nobody_waits_for_a_post_that_was_given_up(
    embeddings_server: EmbeddingsServer,
) -> None:
    embeddings_server.fail_next(Fault("status", 400))
    work_off(record(post("P0", "a fox crosses the river"), acted("U", "P0")).notifications)
    change("UPDATE freshness SET dead_at = now() WHERE key = 'P0'")
    run = read_run(request("U"))
    assert (reason("U"), run.provisional) == ("no_embeddings", 0)
    assert rows("SELECT asked FROM freshness WHERE kind = 'user_embedding'") == [(None,)]


def test_a_stale_post_that_is_deleted_leaves_the_interests_as_they_are() -> None:
    posts()
    record(acted("U", "P0"), given_post("P9", axis(9)), acted("U", "P9"))
    request("U")
    assert_interests("U", 1)
    record(post_deleted("P9"))
    recompute_all()
    assert_interests("U", 1)
    assert rows("SELECT asked FROM freshness WHERE kind = 'user_embedding'") == [(None,)]


def test_a_run_does_not_wait_for_a_worker_that_was_lost() -> None:
    posts()
    record(acted("U", "P0"))
    change("UPDATE freshness SET not_before = now() WHERE kind = 'user_embedding'")
    assert freshness.claim(USER, "U") is not None
    change("UPDATE freshness SET lease_until = now() - interval '1 second'")
    assert read_run(request("U")).done == 1
    assert_interests("U", 1)


def test_a_failing_user_does_not_keep_the_run_that_asked_from_its_end() -> None:
    posts()
    record(acted("U", "P0"), acted("V", "P1"))
    on_insert("user_embeddings", "RAISE EXCEPTION 'refused on purpose'", only="NEW.user_id = 'U'")
    run = read_run(request("U", "V"))
    assert (run.state, run.total, run.done, run.failed) == ("done", 2, 1, 1)


def test_a_messages_worker_says_whom_to_look_at_once_a_post_is_fresh() -> None:
    record(given_post("P0", axis(0)), acted("U", "P0"))
    request("U")
    assert recompute_post("P0") == [freshness.Notification(USER, "U")]
