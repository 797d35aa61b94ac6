"""Migrations: once each, in order, never changed afterwards, whoever starts them."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from workers.core.errors import MigrationError
from workers.core.queries import SQL_DIR
from workers.core.vocabulary import SEMANTIC_MODEL
from workers.neighbors.hnsw_index import index_vectors
from workers.operations.migrate import migrate

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FILES = sorted(path.name for path in (SQL_DIR / "migrations").glob("*.sql"))
APPLIED = "SELECT name FROM schema_migrations ORDER BY name"


@pytest.fixture
def empty_url() -> Iterator[str]:
    """A database without anything in it."""
    name = f"test_{uuid4().hex}"
    url = urlsplit(os.environ["DATABASE_URL"])
    identifier = sql.Identifier(name)
    with psycopg.connect(url._replace(path="/postgres").geturl(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(identifier))
        yield url._replace(path=f"/{name}").geturl()
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@pytest.fixture
def conn(empty_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(empty_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_one.sql").write_text("CREATE TABLE one (n int);\n")
    (tmp_path / "0003_three.sql").write_text("CREATE TABLE three (n int);\n")
    return tmp_path


def tables(conn: psycopg.Connection) -> set[str]:
    found = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in found} - {"schema_migrations"}


def test_every_file_is_applied_once(conn: psycopg.Connection) -> None:
    assert migrate(conn) == FILES
    assert tables(conn) >= {"students", "books", "checkouts", "events", "freshness"}
    assert migrate(conn) == []
    assert [name for (name,) in conn.execute(APPLIED)] == FILES


def test_a_new_file_is_applied_to_what_there_is(conn: psycopg.Connection, folder: Path) -> None:
    migrate(conn, folder)
    (folder / "0004_four.sql").write_text("ALTER TABLE one ADD COLUMN m int;\n")
    assert migrate(conn, folder) == ["0004_four.sql"]


def test_a_file_that_was_applied_may_not_change_or_go(
    conn: psycopg.Connection, folder: Path
) -> None:
    migrate(conn, folder)
    applied = folder / "0001_one.sql"
    text = applied.read_text()
    (folder / "0004_four.sql").write_text("CREATE TABLE four (n int);\n")
    applied.write_text(f"{text}-- a comment\n")
    with pytest.raises(MigrationError, match=r"0001_one\.sql"):
        migrate(conn, folder)
    applied.unlink()
    with pytest.raises(MigrationError, match=r"0001_one\.sql"):
        migrate(conn, folder)
    assert tables(conn) == {"one", "three"}
    applied.write_text(text)
    assert migrate(conn, folder) == ["0004_four.sql"]


def test_a_file_that_sorts_before_an_applied_one_is_refused(
    conn: psycopg.Connection, folder: Path
) -> None:
    migrate(conn, folder)
    (folder / "0002_two.sql").write_text("CREATE TABLE two (n int);\n")
    with pytest.raises(MigrationError, match=r"0002_two\.sql sorts before 0003_three\.sql"):
        migrate(conn, folder)
    assert tables(conn) == {"one", "three"}


def test_a_file_that_fails_leaves_nothing_and_those_before_it_stay(
    conn: psycopg.Connection, folder: Path
) -> None:
    broken = folder / "0002_two.sql"
    broken.write_text("CREATE TABLE two (n int); SELECT 1 / 0;\n")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(conn, folder)
    assert tables(conn) == {"one"}
    broken.write_text("CREATE TABLE two (n int);\n")
    assert migrate(conn, folder) == ["0002_two.sql", "0003_three.sql"]


def release_processes(url: str, count: int, **env: str) -> list[str]:
    """Start release processes at once; returns what each printed, once all have succeeded."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "workers.operations.migrate"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": url} | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(count)
    ]
    outputs = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * count, outputs
    return outputs


def store_vectors(conn: psycopg.Connection, count: int) -> None:
    """Students with vectors of the current model and dimension."""
    conn.execute(
        "INSERT INTO students (student_id) SELECT 'S' || n FROM generate_series(1, %s) n", (count,)
    )
    conn.execute(
        "INSERT INTO student_embeddings (student_id, model, dimensions, content_hash, vec)"
        " SELECT student_id, %s, 256, sha256('x'), array_fill(1, ARRAY[256])::vector FROM students",
        (SEMANTIC_MODEL,),
    )


def vector_indexes(conn: psycopg.Connection) -> list[tuple[bool, bool]]:
    """Whether each HNSW index over students is valid and ready."""
    return conn.execute(
        "SELECT i.indisvalid, i.indisready FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'hnsw'"
        " AND i.indrelid = 'student_embeddings'::regclass"
    ).fetchall()


def test_processes_that_start_at_once_apply_each_file_once(
    conn: psycopg.Connection, empty_url: str
) -> None:
    outputs = "".join(release_processes(empty_url, 3))
    assert [outputs.count(f"name={name}") for name in FILES] == [1] * len(FILES)
    assert [name for (name,) in conn.execute(APPLIED)] == FILES


def test_processes_that_start_at_once_build_one_index(
    conn: psycopg.Connection, empty_url: str
) -> None:
    migrate(conn)
    store_vectors(conn, 40)
    conn.close()  # it holds the lock
    outputs = release_processes(
        empty_url, 2, EXACT_SEARCH_MAX_STUDENTS="0", ANN_SEARCH_MAX_STUDENTS="39"
    )
    assert "".join(outputs).count("vector_index_built") == 1
    with psycopg.connect(empty_url) as after:
        assert vector_indexes(after) == [(True, True)]


def test_an_index_whose_build_was_killed_is_built_again(
    conn: psycopg.Connection, configure: Callable[..., None]
) -> None:
    migrate(conn)
    store_vectors(conn, 40)
    configure(EXACT_SEARCH_MAX_STUDENTS=0, ANN_SEARCH_MAX_STUDENTS=39)
    assert index_vectors(conn) is True
    assert index_vectors(conn) is False
    conn.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN"
        " (SELECT oid FROM pg_class WHERE relname LIKE 'student_embeddings_hnsw_%')"
    )
    assert index_vectors(conn) is True
    assert vector_indexes(conn) == [(True, True)]
    assert index_vectors(conn) is False


def test_no_released_migration_has_changed_not_even_in_a_comment() -> None:
    folder = SQL_DIR / "migrations"
    for line in (folder / "released.sha256").read_text().splitlines():
        checksum, name = line.split()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum, name


def test_no_two_migrations_have_the_same_number() -> None:
    numbers = [name[:4] for name in FILES]
    assert numbers == sorted(set(numbers))
