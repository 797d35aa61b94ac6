"""Every query in sql/ is valid on the migrated database."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from workers.core.queries import SQL_DIR, load_queries, query

PARTS = {
    "name": sql.Identifier("some_index"),
    "model": sql.Literal("some-model"),
    "dimensions": sql.Literal(256),
    "lists": sql.Literal(8),
}
STATEMENTS = [
    f"{path.parent.name}/{path.stem}.{name}"
    for path in sorted(SQL_DIR.glob("*/*.sql"))
    if path.parent.name != "migrations"
    for name, text in load_queries(f"{path.parent.name}/{path.stem}").items()
    if re.match(r"(?i)(with|select|insert|update|delete)\b", text)
]


@pytest.fixture(scope="module")
def migrated(template_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(template_url, autocommit=True) as conn:
        yield conn


@pytest.mark.parametrize("path", STATEMENTS)
def test_query_prepares(migrated: psycopg.Connection, path: str) -> None:
    numbers: dict[str, int] = {}

    def numbered(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[1], len(numbers) + 1)}"

    text = sql.SQL(query(path)).format(**PARTS).as_string(migrated)
    text = re.sub(r"%\((\w+)\)[sbt]", numbered, text)
    migrated.execute(f"PREPARE checked AS {text}")
    migrated.execute("DEALLOCATE checked")


def test_a_missing_query_is_an_error_at_once() -> None:
    with pytest.raises(KeyError):
        query("ledger/freshness.no_such_query")
