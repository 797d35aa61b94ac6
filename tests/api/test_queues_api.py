"""Queues, workers, schedules and the contract's limits over HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import structlog
from dramatiq import Message
from starlette.testclient import TestClient

import scheduler
from actors import broker, recompute_student, refresh_students
from actors.firings import send_waiting
from actors.reconciler import reconcile
from tests.library import change, checkout, rows
from tests.work_off import work_off
from workers.core.counters import flush
from workers.core.metrics import KEYS_DONE, MESSAGES
from workers.core.settings import Settings, settings
from workers.core.stores import stores
from workers.core.vocabulary import Kind
from workers.ingest.record import record_events
from workers.jobs.heartbeats import CurrentJob, beat
from workers.jobs.schedules import register_job
from workers.ledger.watch import broken_since, watch_freshness
from workers.operations import series


def queue(client: TestClient, name: str = "live") -> dict[str, object]:
    (found,) = (each for each in client.get("/queues").json()["queues"] if each["queue"] == name)
    return dict(found)


def test_the_depths_are_those_of_redis_whatever_state_a_message_is_in(client: TestClient) -> None:
    assert queue(client) == {
        **{"queue": "live", "ready": 0, "delayed": 0, "running": 0, "dead": 0},
        **{"oldest_s": None, "per_minute": None, "paused": False},
    }
    for n in range(5):
        recompute_student.send(f"S{n}")
    recompute_student.send_with_options(args=("later",), delay=60_000)
    taken = [Message.decode(body) for body in broker.do_fetch("live", 3)]
    broker.do_nack("live", taken[0].options["redis_message_id"])
    found = queue(client)
    assert {name: found[name] for name in ("ready", "delayed", "running", "dead")} == {
        **{"ready": 2, "delayed": 1, "running": 2, "dead": 1},
    }
    assert stores().redis.hlen("dramatiq:live.msgs") == 4
    assert float(str(found["oldest_s"])) >= 0
    args = {
        state: sorted(
            message["args"][0]
            for message in client.get(f"/queues/live/messages?state={state}").json()["messages"]
        )
        for state in ("ready", "delayed", "running", "dead")
    }
    assert args == {
        "ready": ["S3", "S4"],
        "delayed": ["later"],
        "running": ["S1", "S2"],
        "dead": ["S0"],
    }
    (later,) = client.get("/queues/live/messages?state=delayed").json()["messages"]
    assert later["due_at"] > later["sent_at"]


def test_messages_come_in_pages_oldest_first_and_are_searched_in_their_arguments(
    client: TestClient,
) -> None:
    for n in range(7):
        recompute_student.send(f"Sü{n % 2}/{n}")
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get("/queues/live/messages", params={"limit": 3, "cursor": cursor}).json()
        assert page["total"] == 7
        seen += [message["args"][0] for message in page["messages"]]
        cursor = page["next_cursor"]
    assert seen == [f"Sü{n % 2}/{n}" for n in range(7)]
    found = client.get("/queues/live/messages", params={"search": "ü1/"}).json()
    assert [message["args"][0] for message in found["messages"]] == ["Sü1/1", "Sü1/3", "Sü1/5"]
    assert found["searched"] == 7
    assert client.get("/queues/live/messages?search=live").json()["messages"] == []
    first = client.get("/queues/live/messages", params={"search": "ü", "limit": 2}).json()
    assert (first["searched"], len(first["messages"])) == (2, 2)


def test_a_purged_queue_is_empty_and_what_is_due_is_sent_again(
    client: TestClient, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.jobs import queues

    monkeypatch.setattr(queues, "MAX_READ", 2)
    configure(RESEND_AFTER_SECONDS=1)
    record_events([checkout("S1", "B1")])
    for n in range(5):
        recompute_student.send(f"nobody {n}")
    broker.do_fetch("live", 1)
    assert client.post("/queues/live/purge").json() == {"queue": "live", "count": 4}
    assert (queue(client)["ready"], queue(client)["running"]) == (0, 1)
    assert stores().redis.hlen("dramatiq:live.msgs") == 1, "what is at work stays"
    assert client.post("/queues/live/purge").json()["count"] == 0
    change("UPDATE freshness SET last_sent = now() - interval '1 minute'")
    reconcile(scheduler.JOBS)
    messages = client.get("/queues/live/messages").json()["messages"]
    assert [message["args"] for message in messages] == [["S1"]]
    assert client.post("/queues/nowhere/purge").status_code == 404


def test_a_search_says_how_far_it_looked(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.jobs import queues

    monkeypatch.setattr(queues, "MAX_SEARCHED", 4)
    monkeypatch.setattr(queues, "MAX_READ", 3)
    for n in range(6):
        recompute_student.send(f"S{n}")
    page = client.get("/queues/live/messages", params={"search": "S5"}).json()
    assert (page["messages"], page["searched"], page["total"]) == ([], 4, 6)
    rest = {"search": "S5", "cursor": page["next_cursor"]}
    page = client.get("/queues/live/messages", params=rest).json()
    assert ([each["args"] for each in page["messages"]], page["next_cursor"]) == ([["S5"]], None)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/queues/nowhere/messages", 404),
        ("/queues/live/messages?state=gone", 422),
        ("/queues/live/messages?limit=0", 422),
        ("/queues/live/messages?cursor=x", 422),
        (f"/queues/live/messages?search={'x' * 201}", 422),
        ("/dead?kind=nothing", 422),
        ("/dead?kind=student_embedding&cursor=WzFd", 422),
        ("/attempts?kind=student_embedding", 422),
        ("/attempts?key=S1", 422),
        ("/schedules/nothing/firings", 404),
        ("/audit?cursor=WyJ4Il0=", 422),
    ],
)
def test_what_cannot_be_asked_is_refused(client: TestClient, path: str, status: int) -> None:
    assert client.get(path).status_code == status


def test_a_queue_is_paused_and_resumed_over_http_and_nothing_is_lost(client: TestClient) -> None:
    assert client.post("/queues/live/pause").json() == {
        **{"queue": "live", "paused": True, "changed": True}
    }
    assert client.post("/queues/live/pause").json()["changed"] is False
    notifications = record_events([checkout("S1", "B1")]).notifications
    work_off(notifications)
    assert queue(client)["paused"] is True
    assert client.get("/students/S1").json()["freshness"]["embedding"]["fresh"] is False
    assert client.post("/queues/live/resume").json()["paused"] is False
    work_off(notifications)
    assert client.get("/students/S1").json()["freshness"]["embedding"]["fresh"] is True


def test_workers_are_listed_with_what_they_are_at(client: TestClient) -> None:
    assert client.get("/workers").json() == {"workers": []}
    started = datetime.now(UTC)
    job = CurrentJob("m1", "recompute_student", ("S1",), "live", started.isoformat())
    for worker in ("a:1", "b:2"):
        beat(
            worker=worker,
            host=worker[0],
            pid=1,
            queues=["live"],
            threads=4,
            started_at=started,
            jobs=[job],
        )
    change("UPDATE workers SET seen_at = now() - interval '1 minute' WHERE worker = 'b:2'")
    first, second = client.get("/workers").json()["workers"]
    assert (first["worker"], first["alive"], second["alive"]) == ("a:1", True, False)
    assert first["jobs"][0]["args"] == ["S1"]


def test_a_job_is_run_by_hand_and_its_firing_tells_how_it_went(client: TestClient) -> None:
    for job in scheduler.JOBS:
        register_job(job.name, job.cron)
    firing_id = client.post("/schedules/refresh_students/run").json()["firing_id"]
    send_waiting(scheduler.JOBS)
    (message,) = client.get("/queues/batch/messages").json()["messages"]
    assert message["args"] == [firing_id]
    refresh_students(firing_id)
    schedules = {each["job"]: each for each in client.get("/schedules").json()["schedules"]}
    assert schedules.keys() == {job.name for job in scheduler.JOBS}
    last = schedules["refresh_students"]["last"]
    assert (last["state"], last["asked_by"], last["firing_id"]) == ("done", "local", firing_id)
    assert last["duration_s"] >= 0
    assert schedules["prune_history"]["last"] is None
    assert schedules["refresh_students"]["next_run"].endswith("T03:00:00Z")
    firings = client.get("/schedules/refresh_students/firings").json()
    assert [each["firing_id"] for each in firings["firings"]] == [firing_id]
    assert client.post("/schedules/nothing/run").status_code == 404


def test_a_disabled_job_has_no_next_run(client: TestClient) -> None:
    register_job("prune_history", "30 3 * * *")
    assert client.post("/schedules/prune_history/disable").json()["enabled"] is False
    (schedule,) = client.get("/schedules").json()["schedules"]
    assert (schedule["enabled"], schedule["next_run"]) == (False, None)
    assert client.post("/schedules/prune_history/enable").json()["enabled"] is True
    (schedule,) = client.get("/schedules").json()["schedules"]
    assert schedule["next_run"] is not None
    assert client.post("/schedules/nothing/disable").status_code == 404


def logged() -> list[tuple[object, object]]:
    with structlog.testing.capture_logs() as lines:
        watch_freshness()
    return [(line["event"], line["kind"]) for line in lines]


def test_a_broken_limit_is_logged_once_and_so_is_its_end(
    client: TestClient, configure: Callable[..., None]
) -> None:
    configure(FRESHNESS_LIMITS="student_embedding=10, student_neighbors=3600")
    assert logged() == []
    notifications = record_events([checkout("S1", "B1")]).notifications
    assert logged() == []
    change("UPDATE freshness SET stale_since = now() - interval '11 s'")
    assert logged() == [("freshness_broken", "student_embedding")]
    assert logged() == []
    assert broken_since().keys() == {"student_embedding"}
    kinds = {each["kind"]: each for each in client.get("/freshness").json()["kinds"]}
    assert kinds["student_embedding"]["ok"] is False
    assert (kinds["student_embedding"]["limit_s"], kinds["student_neighbors"]["limit_s"]) == (
        10,
        3600,
    )
    assert 'freshness_broken_total{kind="student_embedding"} 1.0' in client.get("/metrics").text
    work_off(notifications)
    assert logged() == [("freshness_mended", "student_embedding")]
    change("UPDATE freshness SET dead_at = now() WHERE kind = 'student_neighbors'")
    assert logged() == [("freshness_broken", "student_neighbors")]


@pytest.mark.parametrize(
    "limits",
    ["student=60", "student_embedding", "student_embedding=", "student_embedding=-1", "=3"],
)
def test_limits_that_name_no_kind_or_no_seconds_stop_the_process(
    configure: Callable[..., None], limits: str
) -> None:
    configure(FRESHNESS_LIMITS=limits)
    with pytest.raises(Exception, match="is not KIND=SECONDS of student_embedding"):
        settings()


def test_limits_name_kinds(configure: Callable[..., None]) -> None:
    configure(FRESHNESS_LIMITS="student_embedding=1.5,")
    assert settings().freshness_limits == {"student_embedding": 1.5}
    assert Settings.model_fields["freshness_limits"].default == {}


def a_minute_passes() -> None:
    flush()
    series.store_minute()
    change("UPDATE minutes SET minute = minute - interval '1 minute'")


def test_rates_and_latencies_are_made_of_a_row_per_minute(client: TestClient) -> None:
    a_minute_passes()
    assert queue(client)["per_minute"] is None
    work_off(record_events([checkout("S1", "B1"), checkout("S2", "B2")]).notifications)
    MESSAGES.add(4, queue="live", actor="a", outcome="done")
    MESSAGES.add(2, queue="live", actor="b", outcome="failed")
    MESSAGES.add(9, queue="batch", actor="c", outcome="done")
    a_minute_passes()
    assert queue(client)["per_minute"] == 6.0
    minutes = series.read_minutes(60)
    assert [rate for _, rate in series.rates(minutes, KEYS_DONE.name)] == [4.0]
    ((_, median),) = series.latency_quantiles(minutes, 0.5)
    assert median is not None
    assert 0 < median < 60
    assert [figures.figures["stale student_embedding"] for figures in minutes] == [0, 0]


def test_a_counter_that_was_wiped_starts_anew_and_makes_no_negative_rate(
    client: TestClient,
) -> None:
    for amount in (50, 3):
        stores().redis.delete("metrics")
        KEYS_DONE.add(amount, kind=Kind.student_embedding)
        a_minute_passes()
    assert [rate for _, rate in series.rates(series.read_minutes(60), KEYS_DONE.name)] == [3.0]


def test_minutes_are_kept_for_two_days(client: TestClient) -> None:
    series.store_minute()
    series.store_minute()
    assert len(rows("SELECT * FROM minutes")) == 1
    change("UPDATE minutes SET minute = minute - interval '49 hours'")
    series.store_minute()
    assert len(rows("SELECT * FROM minutes")) == 1
    assert len(series.read_minutes(1440, 1)) == 1
