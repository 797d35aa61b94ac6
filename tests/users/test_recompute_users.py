"""Interests from actions: who is due, and what stops nobody else."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

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
    user_deleted,
)
from tests.triggers import off_insert, on_insert
from tests.work_off import work_off
from workers.core.errors import UnknownKeyError
from workers.core.settings import settings
from workers.core.stores import transaction
from workers.core.vocabulary import Kind, Queue
from workers.ingest.read_event import read_event
from workers.jobs.queues import resume_queue
from workers.jobs.runs import RunKind, cancel_run, create_run, read_run
from workers.ledger import freshness
from workers.ledger.contract import summarize
from workers.ledger.freshness import find_overdue
from workers.ledger.release import release_held
from workers.users.recompute import recompute_batch, recompute_user
from workers.users.runs import recompute_users, request_users

USER = Kind.user_embedding
Configure = Callable[..., None]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("stores")]


def test_an_inactive_user_keeps_the_vector() -> None:
    posts()
    record(acted("U", "P0"))
    recompute_all()
    change("UPDATE action_log SET created_at = created_at - interval '40 days'")
    request("U")
    assert_interests("U", 1)
    assert reason("U") == "no_actions"


def test_an_action_on_a_post_that_comes_later_counts_once_it_is_there() -> None:
    record(acted("U", "P0"), acted("U", "P1"))
    posts(1)
    recompute_all()
    assert_interests("U", 1)
    assert stale(USER) == set()
    work_off(record(post("P1", "a fox crosses the river")).notifications)
    assert stale(USER) == {"U"}
    recompute_all()
    ((text_vector,),) = rows("SELECT embedding FROM post_embeddings WHERE post_id = 'P1'")
    expected = axis(0) + text_vector.to_numpy()
    expected /= np.linalg.norm(expected)
    assert interests("U") == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_post_that_changes_or_goes_makes_those_stale_who_acted_on_it() -> None:
    posts()
    record(acted("U", "P0"), acted("U", "P1"), acted("V", "P1"), acted("W", "P2"))
    recompute_all()
    work_off(record(given_post("P0", axis(9))).notifications)
    assert stale(USER) == {"U"}
    record(post_deleted("P1"))
    assert stale(USER) == {"U", "V"}
    recompute_all()
    assert interests("U") == pytest.approx(axis(9).tolist(), abs=1e-6)
    assert reason("V") == "no_actions"
    assert rows("SELECT count(*) FROM action_log") == [(2,)]


def test_users_wait_for_their_schedule_and_the_ledger_says_so() -> None:
    posts()
    event_id = record(acted("U", "P0")).event_ids[0]
    change("UPDATE freshness SET last_sent = '-infinity'")
    assert find_overdue() == []
    recompute_user("U")
    assert stale(USER) == {"U"}
    (row,) = (row for row in summarize() if row.kind == USER)
    assert (row.total, row.stale) == (1, 1)
    assert [(link.kind, link.state) for link in read_event(event_id).effects] == [(USER, "stale")]
    recompute_all()
    assert [(link.kind, link.state) for link in read_event(event_id).effects] == [(USER, "fresh")]


def test_a_run_takes_the_longest_waiting_first_in_batches_until_none_is_left(
    configure: Configure,
) -> None:
    configure(USER_BATCH_SIZE=7)
    posts()
    for n in range(30):
        record(acted(f"U{n:02}", "P0"))
    change(
        "UPDATE freshness SET stale_since = now() - make_interval(secs => 1 + right(key, 1)::int)"
    )
    run = recompute_all()
    assert (run.state, run.total, run.done, run.failed, run.progress) == ("done", 30, 30, 0, 1.0)
    assert stale(USER) == set()
    order = [key for (key,) in rows("SELECT key FROM attempts ORDER BY started_at, key")]
    users = [key for key in order if key.startswith("U")]
    digits = [int(key[-1]) for key in users]
    # Two batches at a time.
    pairs = [digits[n : n + 14] for n in range(0, 30, 14)]
    assert [len(pair) for pair in pairs] == [14, 14, 2]
    for earlier, later in pairwise(pairs):
        assert min(earlier) >= max(later)


def test_a_user_who_never_stops_acting_does_not_keep_a_run_from_its_end() -> None:
    posts()
    record(acted("busy", "P0"), acted("other", "P1"))
    run_id = create_run(RunKind.recompute_users)
    record(acted("late", "P1"))
    assert sorted(recompute_users(run_id)) == ["busy", "other"]
    assert stale(USER) == {"late"}


def test_an_action_during_the_work_leaves_the_user_to_the_next_run() -> None:
    posts()
    record(acted("U", "P0"))
    with transaction() as conn:
        change_now = conn.execute("SELECT now()").fetchone()
    assert change_now is not None
    release_held(USER, change_now[0], 10)
    batch = freshness.claim(USER, "U")
    assert batch is not None
    record(acted("U", "P1"))
    with transaction() as conn:
        freshness.mark_done(conn, batch, freshness.confirm_lease(conn, batch, batch.claims))
    assert stale(USER) == {"U"}
    assert recompute_user("U") == []
    assert stale(USER) == {"U"}
    recompute_all()
    assert_interests("U", 1, 1)


def test_one_bad_user_stops_nobody_else(configure: Configure) -> None:
    configure(MAX_ATTEMPTS=1)
    posts()
    record(*(acted(f"U{n}", "P0") for n in range(20)))
    refuse_to_store("U13")
    run = recompute_all()
    assert (run.state, run.done, run.failed) == ("done", 19, 1)
    assert rows("SELECT count(*) FROM user_embeddings") == [(19,)]
    ((error,),) = rows("SELECT error FROM freshness WHERE dead_at IS NOT NULL")
    assert "refused on purpose" in error


def test_a_failed_user_is_retried_without_the_schedule(configure: Configure) -> None:
    configure(RETRY_BASE_SECONDS=0, MAX_ATTEMPTS=10)
    posts()
    record(acted("U1", "P0"), acted("U2", "P0"))
    refuse_to_store("U1")
    assert recompute_all().failed >= 1
    assert stale(USER) == {"U1"}
    off_insert("user_embeddings")
    change("UPDATE freshness SET dead_at = NULL, last_sent = '-infinity'")
    work_off(find_overdue())
    assert stale(USER) == set()
    assert_interests("U1", 1)


def refuse_to_store(user_id: str) -> None:
    """Let the database refuse this user's vector."""
    on_insert(
        "user_embeddings",
        "RAISE EXCEPTION 'refused on purpose'",
        only=f"NEW.user_id = '{user_id}'",
    )


def test_users_can_be_asked_for_by_name_fresh_waiting_or_dead() -> None:
    posts()
    record(acted("U", "P0"), acted("V", "P1"), acted("W", "P2"))
    run_id = request("U")
    assert_interests("U", 1)
    assert stale(USER) == {"V", "W"}
    run = read_run(run_id)
    assert (run.kind, run.state, run.done, run.total) == ("recompute_named_users", "done", 1, 1)
    assert [link.state for link in read_event(run_id).effects] == ["fresh"]
    change("UPDATE freshness SET dead_at = now(), error = 'no' WHERE key = 'V'")
    request("U", "V")
    assert_interests("V", 0, 1)
    assert stale(USER) == {"W"}


def test_a_request_while_one_is_worked_on_joins_it() -> None:
    posts()
    record(acted("U", "P0"), acted("V", "P1"))
    first = request_users(["U"])
    second = request_users(["V"])
    assert (first.is_new, second.is_new) == (True, False)
    assert second.run_id == first.run_id
    assert second.notifications
    assert sorted(recompute_users(first.run_id)) == ["U", "V"]


def test_a_request_that_names_an_unknown_user_asks_for_nothing() -> None:
    posts()
    record(acted("U", "P0"))
    with pytest.raises(UnknownKeyError):
        request_users(["U", "nobody"])
    assert rows("SELECT * FROM runs") == []
    assert rows("SELECT key FROM freshness WHERE key = 'nobody'") == []


def test_a_killed_run_goes_on_and_a_cancelled_one_stops_between_batches(
    configure: Configure,
) -> None:
    configure(USER_BATCH_SIZE=2)
    posts()
    record(*(acted(f"U{n}", "P0") for n in range(9)))
    run_id = create_run(RunKind.recompute_users)
    on_insert("user_embeddings", "UPDATE runs SET cancel = true")
    assert len(recompute_users(run_id)) == 4
    assert read_run(run_id).state == "cancelled"
    assert len(stale(USER)) == 5
    off_insert("user_embeddings")

    killed = create_run(RunKind.recompute_users)
    change(  # as a worker that is killed after its first batch leaves it
        "UPDATE runs SET state = 'running', position = '4 0', done = 4, total = 9,"
        " lease_token = gen_random_uuid(), lease_until = now() - interval '1 second'"
        " WHERE run_id = %s",
        killed,
    )
    assert len(recompute_users(killed)) == 5
    run = read_run(killed)
    assert (run.state, run.done, run.total) == ("done", 9, 9)
    with pytest.raises(Exception, match="is done"):
        cancel_run(killed)


def test_a_run_whose_queue_is_paused_midway_waits_and_does_not_end(configure: Configure) -> None:
    configure(USER_BATCH_SIZE=2)
    posts()
    record(*(acted(f"U{n}", "P0") for n in range(9)))
    run_id = create_run(RunKind.recompute_users)
    on_insert(
        "user_embeddings",
        "INSERT INTO paused_queues (queue, paused_by) VALUES ('batch', 'test')"
        " ON CONFLICT DO NOTHING",
    )
    assert len(recompute_users(run_id)) == 4
    run = read_run(run_id)
    assert (run.state, run.done) == ("running", 4)
    off_insert("user_embeddings")
    resume_queue(Queue.batch)
    assert len(recompute_users(run_id)) == 5
    run = read_run(run_id)
    assert (run.state, run.done, stale(USER)) == ("done", 9, set())


def test_a_worker_that_was_stalled_stores_nothing() -> None:
    posts()
    record(acted("U", "P0"))
    change("UPDATE freshness SET not_before = now()")
    stalled = freshness.claim(USER, "U")
    assert stalled is not None
    change("UPDATE freshness SET lease_until = now() - interval '1 second'")
    recompute_user("U")
    (before,) = rows("SELECT updated_at FROM user_embeddings")
    assert recompute_batch(stalled).done == []
    assert rows("SELECT updated_at FROM user_embeddings") == [before]


def test_generated_at_is_the_first_time_and_updated_at_the_last() -> None:
    posts()
    record(acted("U", "P0"))
    recompute_all()
    ((first, updated, model, by),) = rows(
        "SELECT generated_at, updated_at, model_version, created_by FROM user_embeddings"
    )
    assert first == updated
    assert (model, by) == (settings().post_embedding.model, "recompute_users")
    record(acted("U", "P1"))
    recompute_all()
    ((again, later),) = rows("SELECT generated_at, updated_at FROM user_embeddings")
    assert again == first
    assert later > updated


def test_a_user_with_very_many_actions_is_summed_up_in_the_database() -> None:
    posts()
    record(acted("heavy", "P0"), acted("light", "P1"))
    change(
        "INSERT INTO action_log (user_id, post_id, action, created_at)"
        " SELECT 'heavy', 'P' || mod(n, 3), 'view_post', now() - n * interval '1 second'"
        " FROM generate_series(1, 100000) n"
    )
    recompute_all()
    counts = [33333 + 5, 33334, 33333]
    assert_interests("heavy", *counts)
    assert_interests("light", 0, 1)


def test_a_deleted_user_leaves_nothing() -> None:
    posts()
    record(acted("U", "P0"), acted("V", "P1"))
    recompute_all()
    request("U")
    work_off(record(user_deleted("U")).notifications)
    for table in ("users", "action_log", "user_embeddings"):
        assert rows(f"SELECT DISTINCT user_id FROM {table}") == [("V",)]
    for table in ("freshness", "attempts", "effects"):
        assert rows(f"SELECT DISTINCT key FROM {table} WHERE kind LIKE 'user%%'") == [("V",)]
    record(acted("U", "P2"))
    recompute_all()
    assert_interests("U", 0, 0, 1)
