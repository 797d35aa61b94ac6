"""Pages and API show what the stores hold: exactly in a quiet moment, within bounds else."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from dramatiq import Message
from starlette.testclient import TestClient

from actors import broker, check_neighbors, recompute_student
from tests.library import borrowed, change, record, rows
from workers.core.stores import stores
from workers.core.vocabulary import Kind

pytestmark = pytest.mark.slow

STATES = ("ready", "delayed", "running", "dead")
READS = 25


def cells(text: str, heading: str) -> list[str]:
    """The text of the cells beside a row's heading."""
    found = re.search(rf'<th scope="row">(?:<a [^>]*>)?{heading}.*?</tr>', text, re.DOTALL)
    assert found is not None, heading
    return [
        re.sub(r"<[^>]+>", "", cell).strip().replace(",", "")
        for cell in re.findall(r"<td.*?</td>", found[0], re.DOTALL)
    ]


def queue_on_page(client: TestClient, queue: str) -> dict[str, int]:
    return dict(
        zip(STATES, map(int, cells(client.get("/console/queues").text, queue)[:4]), strict=True)
    )


def queue_in_api(client: TestClient, queue: str) -> dict[str, int]:
    (found,) = (each for each in client.get("/queues").json()["queues"] if each["queue"] == queue)
    return {state: found[state] for state in STATES}


def queue_in_metrics(client: TestClient, queue: str) -> dict[str, int]:
    found = re.findall(
        rf'^queue_messages{{queue="{queue}",state="(\w+)"}} (\d+)',
        client.get("/metrics").text,
        re.M,
    )
    return {state: int(count) for state, count in found}


def queue_in_redis(queue: str) -> dict[str, int]:
    """Counted message by message, as nothing else does."""
    client, name = stores().redis, f"dramatiq:{queue}"
    taken = [client.scard(key) for key in client.keys(f"dramatiq:__acks__.*.{queue}")]
    return {
        "ready": len(client.lrange(name, 0, -1)),
        "delayed": len(client.hkeys(f"{name}.DQ.msgs")),
        "running": sum(taken),
        "dead": len(client.zrange(f"{name}.XQ", 0, -1)),
    }


def kind_on_page(client: TestClient, kind: Kind) -> tuple[int, ...]:
    return tuple(map(int, cells(client.get("/").text, kind)[1:4]))


def kind_in_api(client: TestClient, kind: Kind) -> tuple[int, ...]:
    (found,) = (row for row in client.get("/freshness").json()["kinds"] if row["kind"] == kind)
    assert found["total"] == found["fresh"] + found["stale"] + found["dead"]
    return found["fresh"], found["stale"], found["dead"]


def kind_in_metrics(client: TestClient, kind: Kind) -> tuple[int, ...]:
    text = client.get("/metrics").text
    found = [
        re.search(rf'^freshness_{name}{{kind="{kind}"}} (\d+)', text, re.M)
        for name in ("fresh", "stale", "dead")
    ]
    return tuple(int(each[1]) for each in found if each is not None)


def kind_in_postgres(kind: Kind) -> tuple[int, ...]:
    found = rows("SELECT wanted, done, dead_at FROM freshness WHERE kind = %s", kind)
    fresh = sum(wanted == done for wanted, done, _ in found)
    dead = sum(wanted > done and dead_at is not None for wanted, done, dead_at in found)
    return fresh, len(found) - fresh - dead, dead


def fill_queues() -> None:
    """Messages in every state, in both queues."""
    for n in range(9):
        recompute_student.send(f"S{n}")
    for n in range(3):
        recompute_student.send_with_options(args=(f"later {n}",), delay=600_000)
    taken = [Message.decode(body) for body in broker.do_fetch("live", 4)]
    for message in taken[:2]:
        broker.do_nack("live", message.options["redis_message_id"])
    for _ in range(5):
        check_neighbors.send("00000000-0000-0000-0000-000000000000")


def test_in_a_quiet_moment_pages_api_and_metrics_show_the_same_as_the_stores(
    client: TestClient, subtests: pytest.Subtests
) -> None:
    fill_queues()
    record(*(borrowed(f"S{n}") for n in range(12)))
    change("UPDATE freshness SET dead_at = now(), error = 'e' WHERE key IN ('S0', 'S1')")
    change("UPDATE freshness SET done = wanted, stale_since = NULL WHERE key IN ('S2', 'S3', 'S4')")
    for queue, expected in (("live", (5, 3, 2, 2)), ("batch", (5, 0, 0, 0))):
        with subtests.test(queue=queue):
            truth = queue_in_redis(queue)
            assert tuple(truth.values()) == expected
            assert queue_on_page(client, queue) == truth
            assert queue_in_api(client, queue) == truth
            assert queue_in_metrics(client, queue) == truth
            for state, count in truth.items():
                listed = client.get(f"/queues/{queue}/messages?state={state}").json()
                assert (listed["total"], len(listed["messages"])) == (count, count)
    for kind in Kind:
        with subtests.test(kind=kind):
            truth_of_kind = kind_in_postgres(kind)
            assert kind_on_page(client, kind) == truth_of_kind
            assert kind_in_api(client, kind) == truth_of_kind
            assert kind_in_metrics(client, kind) == truth_of_kind
    assert kind_in_postgres(Kind.student_embedding) == (3, 7, 2)
    assert client.get("/dead").json()["groups"][0]["count"] == 2


@contextmanager
def busy(*works: Callable[[int], object]) -> Iterator[None]:
    """Each of them again and again meanwhile, in a thread of its own."""
    over = threading.Event()

    def loop(work: Callable[[int], object]) -> None:
        n = 0
        while not over.wait(0.002):
            work(n)
            n += 1

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(loop, work) for work in works]
        try:
            yield
        finally:
            over.set()
        for future in futures:
            future.result()


def bury(n: int) -> None:
    change(
        "INSERT INTO freshness (kind, key, stale_since, error, dead_at)"
        " VALUES ('student_neighbors', %s, now(), 'e', now())",
        f"D{n}",
    )


def test_in_a_busy_moment_they_show_what_was_true_between_before_and_after(
    client: TestClient,
) -> None:
    """Only what grows is counted, so the truth before and after a read are its bounds."""

    def ready(counts: dict[str, int]) -> int:
        return counts["ready"]

    with busy(
        lambda n: recompute_student.send(f"S{n}"),
        lambda n: record(borrowed(f"B{n}")),
        bury,
    ):
        first = queue_in_redis("live")["ready"]
        for n in range(READS):
            read_queue = (queue_on_page, queue_in_api, queue_in_metrics)[n % 3]
            read_kind = (kind_on_page, kind_in_api, kind_in_metrics)[n % 3]
            before = ready(queue_in_redis("live"))
            shown = ready(read_queue(client, "live"))
            assert before <= shown <= ready(queue_in_redis("live"))
            for kind in (Kind.student_embedding, Kind.student_neighbors):
                least = sum(kind_in_postgres(kind))
                seen = sum(read_kind(client, kind))
                assert least <= seen <= sum(kind_in_postgres(kind))
        assert queue_in_redis("live")["ready"] > first
