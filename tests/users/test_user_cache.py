"""Users' vectors in Redis: a copy that is never older than what was stored, and never needed."""

import json

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.library import change, record, stale
from tests.platform import acted, axis, interests, posts, recompute_all, request, user_deleted
from tests.work_off import work_off
from workers.core.errors import UnknownKeyError
from workers.core.process import process
from workers.core.stores import stores
from workers.core.vocabulary import Kind
from workers.ledger.freshness import find_overdue
from workers.users import cache
from workers.users.cache import UserDocument
from workers.users.read import read_embedding
from workers.users.recompute import recompute_user

KEY = "user:U:embedding"

pytestmark = pytest.mark.usefixtures("stores")


def cached() -> dict[str, object]:
    value = stores().redis.get(KEY)
    assert isinstance(value, bytes)
    found: dict[str, object] = json.loads(value)
    return found


def one_user() -> None:
    posts()
    record(acted("U", "P0"))
    recompute_all()


def count(client: TestClient, name: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == name
    )


class BrokenRedis:
    """Redis takes no writes inside the block, as one that is out of memory."""

    def __enter__(self) -> None:
        stores().redis.config_set("maxmemory", 1)

    def __exit__(self, *_: object) -> None:
        stores().redis.config_set("maxmemory", 0)


def test_the_copy_is_json_for_seven_days() -> None:
    one_user()
    value = cached()
    assert value["embedding"] == interests("U") == axis(0).tolist()
    assert value["user_id"] == "U"
    assert {"version", "model_version", "generated_at", "updated_at"} <= value.keys()
    assert stores().redis.ttl(KEY) in range(7 * 86400 - 60, 7 * 86400 + 1)


def test_a_wiped_redis_is_filled_again_by_readers(client: TestClient) -> None:
    one_user()
    before = cached()
    stores().redis.flushall()
    url = "/users/U/embedding"
    first, second = client.get(url), client.get(url)
    assert first.json() == second.json()
    assert first.json()["embedding"] == axis(0).tolist()
    assert cached() == before
    assert stores().redis.ttl(KEY) > 6 * 86400
    assert count(client, "user_cache_misses_total") == 1
    assert count(client, "user_cache_hits_total") == 1


def test_a_hit_asks_redis_only() -> None:
    one_user()
    change("DELETE FROM user_embeddings")
    assert read_embedding("U").embedding == axis(0).tolist()


@pytest.mark.parametrize("damaged", [b"{,", b'{"version":1,\xff', b'{"version":1,"user_id":2}'])
def test_a_damaged_copy_is_a_miss_and_is_replaced(damaged: bytes) -> None:
    one_user()
    before = cached()
    stores().redis.set(KEY, damaged)
    assert read_embedding("U").embedding == axis(0).tolist()
    assert cached() == before


def test_a_damaged_copy_does_not_keep_a_new_vector_from_being_stored() -> None:
    one_user()
    stores().redis.set(KEY, "damaged")
    record(acted("U", "P1"))
    recompute_all()
    assert cached()["embedding"] == pytest.approx(interests("U"))
    assert interests("U") != axis(0).tolist()


def test_without_redis_reads_answer_from_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    one_user()
    probe = stores().probe

    def fail(*_: object) -> None:
        raise redis.ConnectionError("on purpose")

    monkeypatch.setattr(probe, "get", fail)
    assert read_embedding("U").embedding == axis(0).tolist()
    monkeypatch.undo()
    # For a moment nobody asks again; then the copy answers.
    assert cache.read("U") is None
    process().forget()
    assert cache.read("U") is not None


def test_a_late_writer_does_not_put_an_older_vector_back() -> None:
    one_user()
    old = cached()
    record(acted("U", "P1", "share_post"))
    recompute_all()
    new = cached()
    assert new["version"] > old["version"]  # type: ignore[operator]
    fields = json.dumps({name: value for name, value in old.items() if name != "version"})[1:-1]
    cache.fill({"U": UserDocument(int(str(old["version"])), fields)})
    assert cached() == new


def test_an_announced_vector_keeps_readers_from_filling_in_the_one_before() -> None:
    one_user()
    old = cached()
    version = int(str(old["version"])) + 5
    cache.announce({"U": version})
    assert cached() == {"version": version}
    assert stores().redis.ttl(KEY) <= 3600
    assert read_embedding("U").embedding == axis(0).tolist()
    assert cached() == {"version": version}


def test_while_redis_takes_no_writes_users_wait_and_nothing_old_is_served_afterwards() -> None:
    one_user()
    record(acted("U", "P1", "like_post"))
    with BrokenRedis():
        recompute_all()
    assert stale(Kind.user_embedding) == {"U"}
    assert interests("U") == axis(0).tolist()
    change("UPDATE freshness SET not_before = now(), last_sent = '-infinity'")
    work_off(find_overdue())
    assert interests("U") != axis(0).tolist()
    assert read_embedding("U").embedding == pytest.approx(interests("U"))
    assert stale(Kind.user_embedding) == set()


def test_a_copy_that_was_not_written_after_the_commit_is_written_by_the_next_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one_user()
    record(acted("U", "P1", "like_post"))
    monkeypatch.setattr(cache, "fill", lambda _: None)
    recompute_all()
    monkeypatch.undo()
    assert cached().keys() == {"version"}
    assert interests("U") != axis(0).tolist()
    found = read_embedding("U").embedding
    assert found == pytest.approx(interests("U"))
    assert cached()["embedding"] == found


def test_a_deleted_user_is_gone_from_redis_and_a_late_writer_brings_nothing_back() -> None:
    one_user()
    old = cached()
    work_off(record(user_deleted("U")).notifications)
    with pytest.raises(UnknownKeyError):
        read_embedding("U")
    cache.fill({"U": UserDocument(int(str(old["version"])), '"embedding":[1]')})
    assert cached().keys() == {"version"}
    record(acted("U", "P2"))
    recompute_all()
    assert read_embedding("U").embedding == axis(2).tolist()
    assert cached()["embedding"] == axis(2).tolist()


def test_a_user_deleted_while_redis_is_down_goes_once_it_is_back() -> None:
    one_user()
    notifications = record(user_deleted("U")).notifications
    with BrokenRedis():
        work_off(notifications)
    assert stale(Kind.user_removal) == {"U"}
    assert cached()["embedding"] == axis(0).tolist()
    change("UPDATE freshness SET not_before = now(), last_sent = '-infinity'")
    work_off(find_overdue())
    assert cached().keys() == {"version"}
    assert stale(Kind.user_removal) == set()


def test_a_vector_made_after_the_deletion_is_not_removed_by_it() -> None:
    one_user()
    notifications = record(user_deleted("U")).notifications
    record(acted("U", "P1"))
    request("U")
    work_off(notifications)
    recompute_user("U")
    assert read_embedding("U").embedding == axis(1).tolist()
