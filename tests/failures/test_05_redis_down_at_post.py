"""Case 5: Redis is down when events come: 202 all the same, and they take effect afterwards."""

from collections.abc import Callable

import pytest
import redis

from tests.failures.cluster import Cluster
from tests.failures.servers import Servers
from tests.failures.truth import assert_derived_is_right
from tests.library import books, checkout, rows, shelve


def stop(servers: Servers) -> None:
    servers.redis.stop()


def start(servers: Servers) -> None:
    servers.redis.start()


def freeze(servers: Servers) -> None:
    servers.redis.freeze()


def thaw(servers: Servers) -> None:
    servers.redis.thaw()


def limit_memory(servers: Servers, bytes_: int) -> None:
    with redis.Redis.from_url(servers.redis.url) as client:
        client.config_set("maxmemory", bytes_)


def fill(servers: Servers) -> None:
    """It answers, and refuses every write."""
    limit_memory(servers, 1)


def empty(servers: Servers) -> None:
    limit_memory(servers, 0)


@pytest.mark.parametrize(
    ("fail", "recover"),
    [(stop, start), (freeze, thaw), (fill, empty)],
    ids=["stopped", "hanging", "full"],
)
def test_events_are_accepted_without_redis_and_take_effect_once_it_is_back(
    cluster: Cluster, fail: Callable[[Servers], None], recover: Callable[[Servers], None]
) -> None:
    cluster.start_all()
    shelve(*books(3))
    fail(cluster.servers)
    # The second finds out by itself that Redis is away, the third hears it from the second.
    for n in range(3):
        assert cluster.tell([checkout(f"S{n}", f"B{n}")])["accepted"] == 1
    assert cluster.get("/health/ready")
    assert rows("SELECT FROM attempts") == []

    recover(cluster.servers)
    cluster.all_fresh(keys=6)
    assert all(line.running for line in cluster.lines), cluster.output()
    assert_derived_is_right()


def test_processes_that_start_while_redis_is_down_work_once_it_is_up(cluster: Cluster) -> None:
    cluster.servers.redis.stop()
    cluster.start_all()
    shelve(*books(1))
    cluster.tell([checkout("S1", "B0")])

    cluster.servers.redis.start()
    cluster.all_fresh(keys=2)
    assert all(line.running for line in cluster.lines), cluster.output()
    assert_derived_is_right()
