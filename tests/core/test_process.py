"""What a process keeps is opened, made and closed with it."""

import asyncio
import threading
from contextlib import AbstractContextManager

import pytest
from starlette.testclient import TestClient

import api
from actors.broker import OpenProcess, broker
from workers.core.boot import open_process
from workers.core.process import holding, new_process, per_process, process, until_exit
from workers.core.stores import Stores, connection, opened_stores, stores


class Recorder(AbstractContextManager["Recorder"]):
    """Something that is opened and closed."""

    def __init__(self, name: str, said: list[str]) -> None:
        self.name, self.said = name, said
        said.append(f"open {name}")

    def __exit__(self, *_: object) -> None:
        self.said.append(f"close {self.name}")


def test_what_is_made_is_made_once_and_closed_with_the_process_in_reverse_order() -> None:
    said: list[str] = []

    @per_process
    def recorder(name: str) -> Recorder:
        return until_exit(Recorder(name, said))

    with new_process():
        assert recorder("a") is recorder("a")
        recorder("b")
    assert said == ["open a", "open b", "close b", "close a"]
    with new_process():
        recorder("a")
    assert said[4:] == ["open a", "close a"]


def test_threads_that_ask_at_once_get_the_same() -> None:
    together = threading.Barrier(8)
    found: list[object] = []

    @per_process
    def thing() -> object:
        return object()

    def ask() -> None:
        together.wait()
        found.append(thing())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


def test_one_thing_may_need_another_while_it_is_made() -> None:
    @per_process
    def inner() -> str:
        return "inner"

    @per_process
    def outer() -> str:
        return f"outer of {inner()}"

    assert outer() == "outer of inner"


def test_a_thing_that_could_not_be_made_is_tried_again() -> None:
    failures = iter([ValueError("on purpose")])

    @per_process
    def thing() -> str:
        for failure in failures:
            raise failure
        return "made"

    with pytest.raises(ValueError, match="on purpose"):
        thing()
    assert thing() == "made"


def test_a_process_inside_another_has_nothing_of_it_and_the_outer_is_back_afterwards() -> None:
    outer = process()
    with holding("held"), new_process() as inner:
        assert process() is inner
        assert inner.opened == {}
    assert process() is outer
    assert outer.opened == {}


@pytest.mark.usefixtures("database_url", "fresh_settings")
def test_stores_are_closed_whatever_happens_inside() -> None:
    with pytest.raises(ValueError, match="on purpose"), open_process("test"):
        clients = stores()
        with connection() as conn:
            raise ValueError("on purpose")
    assert clients.pool.closed
    assert conn.closed
    with pytest.raises(RuntimeError, match="Stores is not open"):
        stores()


@pytest.mark.usefixtures("database_url", "fresh_settings")
def test_an_error_while_one_store_closes_leaves_no_other_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise OSError("on purpose")

    with pytest.raises(OSError, match="on purpose"), opened_stores() as clients:
        monkeypatch.setattr(clients.probe, "close", fail)
    assert clients.pool.closed


@pytest.mark.usefixtures("database_url", "fresh_settings")
def test_an_exception_in_the_lifespan_closes_the_stores() -> None:
    opened: list[Stores] = []

    async def fail_within() -> None:
        async with api.lifespan(api.app):
            opened.append(stores())
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        asyncio.run(fail_within())
    assert opened[0].pool.closed


@pytest.mark.usefixtures("database_url", "fresh_settings")
def test_an_app_that_cannot_begin_closes_the_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Stores] = []

    def fail() -> None:
        opened.append(stores())
        raise ValueError("on purpose")

    monkeypatch.setattr(api, "quick_reads", fail)
    with pytest.raises(ValueError, match="on purpose"), TestClient(api.app):
        pass
    assert opened[0].pool.closed


@pytest.mark.usefixtures("database_url", "fresh_settings")
def test_a_worker_has_a_process_of_its_own_until_its_last_job_has_ended() -> None:
    outer = process()
    middleware = OpenProcess()
    worker: object = None
    middleware.before_worker_boot(broker, worker)  # type: ignore[arg-type]  # it needs none
    clients = stores()
    middleware.after_worker_shutdown(broker, worker)  # type: ignore[arg-type]
    assert clients.pool.closed
    assert process() is outer
