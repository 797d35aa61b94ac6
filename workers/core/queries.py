"""Named queries: sql/ROOM/STEM.sql holds `-- name: query` blocks, each described beneath."""

import re
from functools import cache
from pathlib import Path

SQL_DIR = Path(__file__).parents[2] / "sql"
_BLOCK = re.compile(r"^-- name: (\w+)\n((?:-- .*\n)+)", re.MULTILINE)


@cache
def load_queries(stem: str) -> dict[str, str]:
    """Read all queries of sql/{stem}.sql by name.

    Raises:
        ValueError: two queries share a name, or text stands outside a described block.
    """
    text = (SQL_DIR / f"{stem}.sql").read_text()
    parts = _BLOCK.split(text)
    if parts[0].strip():
        raise ValueError(f"sql/{stem}.sql: a query needs '-- name:' and a description line")
    queries: dict[str, str] = {}
    for name, body in zip(parts[1::3], parts[3::3], strict=True):
        if name in queries:
            raise ValueError(f"sql/{stem}.sql: {name} stands twice")
        queries[name] = body.strip().rstrip(";")
    return queries


def query(path: str) -> str:
    """Return the query `room/stem.name`, at import: a missing one stops the process there."""
    stem, name = path.split(".")
    return load_queries(stem)[name]
