"""The embedded Postgres and Redis, with real processes: they answer, and none is left behind."""

import os
import socket
import stat
import subprocess
from pathlib import Path

import psycopg
import pytest
import redis

from embedded.errors import AlreadyRunningError, EmbeddedError
from embedded.ports import claimed_web_port
from embedded.service import masked
from embedded.services import embedded_services
from tests.processes import alive, query, service_pids

pytestmark = pytest.mark.slow


def test_services_answer_and_leave_no_process(tmp_path: Path) -> None:
    with embedded_services(tmp_path / "home") as urls:
        assert query(urls, "SELECT current_database(), current_setting('fsync')") == (
            "kinfold",
            "off",
        )
        pids = service_pids(tmp_path / "home", urls)
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


def test_a_second_start_keeps_the_data(tmp_path: Path) -> None:
    with embedded_services(tmp_path, durable=True) as urls:
        query(urls, "SELECT current_setting('fsync')")
        with psycopg.connect(urls.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis.from_url(urls.redis_url) as client:
            client.set("kept", "42")
    with embedded_services(tmp_path, durable=True) as urls:
        assert query(urls, "SELECT answer FROM kept") == (42,)
        with redis.Redis.from_url(urls.redis_url) as client:
            assert client.get("kept") == b"42"
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_two_homes_run_side_by_side(tmp_path: Path) -> None:
    with (
        embedded_services(tmp_path / "one") as one,
        embedded_services(tmp_path / "two") as two,
    ):
        assert one.database_url != two.database_url
        for urls, number in ((one, 1), (two, 2)):
            with psycopg.connect(urls.database_url) as connection:
                connection.execute(f"CREATE TABLE mine AS SELECT {number} AS number")
        assert query(one, "SELECT number FROM mine") == (1,)
        assert query(two, "SELECT number FROM mine") == (2,)


def test_passwords_are_needed_private_and_not_in_the_process_list(tmp_path: Path) -> None:
    with embedded_services(tmp_path) as urls:
        listing = subprocess.run(
            ["ps", "-A", "-ww", "-o", "args"], capture_output=True, text=True, check=True
        ).stdout
        assert str(tmp_path / "postgres") in listing
        for name in ("postgres", "redis"):
            file = tmp_path / f"{name}.password"
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert len(file.read_text()) >= 32
            assert file.read_text() not in listing
        password = (tmp_path / "postgres.password").read_text()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(urls.database_url.replace(password, "wrong"))
        password = (tmp_path / "redis.password").read_text()
        without = urls.redis_url.replace(f":{password}@", "")
        with (
            redis.Redis.from_url(without) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_a_home_held_by_a_live_supervisor_is_refused_with_its_process_id(tmp_path: Path) -> None:
    refused = rf"already running .*process {os.getpid()}\)"
    with (
        embedded_services(tmp_path),
        pytest.raises(AlreadyRunningError, match=refused),
        embedded_services(tmp_path),
    ):
        pass


def test_a_postmaster_pid_left_by_a_killed_server_does_not_matter(tmp_path: Path) -> None:
    with embedded_services(tmp_path) as urls:
        lines = (tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()
    # The process id in it is in use again, by a process that Postgres could take for a server.
    (tmp_path / "postgres" / "postmaster.pid").write_text(
        "\n".join([str(os.getpid()), *lines[1:]]) + "\n"
    )
    with embedded_services(tmp_path) as urls:
        assert query(urls, "SELECT 1") == (1,)


def test_a_cluster_whose_making_was_cut_short_is_made_again(tmp_path: Path) -> None:
    half_made = tmp_path / "postgres.new" / "data"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    with embedded_services(tmp_path) as urls:
        assert query(urls, "SELECT 1") == (1,)


def test_masked_urls_do_not_show_the_password() -> None:
    assert masked("postgresql://me:secret@host:1/db") == "postgresql://me:***@host:1/db"
    assert masked("redis://:secret@host:1/0") == "redis://:***@host:1/0"
    assert masked("redis://host:1/0") == "redis://host:1/0"


def test_two_runs_that_start_together_choose_different_web_ports() -> None:
    with claimed_web_port(None) as one, claimed_web_port(None) as two:
        assert one != two
        with (
            pytest.raises(EmbeddedError, match="not a free port"),
            claimed_web_port(str(one)),
        ):
            pass


def test_a_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with (
            pytest.raises(EmbeddedError, match=f"PORT is {port}, which is not a free port"),
            claimed_web_port(str(port)),
        ):
            pass
