"""The house stays as it is built: imports point one way, SQL has its own room."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "workers": {"api", "scheduler", "routes", "actors", "dramatiq", "starlette", "apscheduler"},
    "actors": {"api", "scheduler", "routes", "starlette"},
    "routes": {"api", "scheduler", "dramatiq", "psycopg.sql"},
}
MODULES = sorted(
    path.relative_to(ROOT)
    for room in ("workers", "actors", "routes", "embedded", ".")
    for path in (ROOT / room).glob("*.py")
)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("room", FORBIDDEN)
def test_imports_point_one_way(room: str) -> None:
    wrong = {
        (str(path), name)
        for path in MODULES
        if path.parts[0] == room
        for name in imported(path)
        if {name, name.split(".")[0]} & FORBIDDEN[room]
    }
    assert wrong == set()


def test_no_file_is_longer_than_400_lines() -> None:
    long = {
        str(path): count
        for path in ROOT.rglob("*.py")
        if not {".venv", ".kinfold"} & set(path.parts)
        and (count := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


def test_sql_stands_in_sql_only() -> None:
    statement = re.compile(r"[\"'](SELECT|INSERT INTO|UPDATE|DELETE FROM)\s")
    found = [
        f"{path}: {line.strip()}"
        for path in MODULES
        if path.parts[0] not in ("tests", "embedded")
        for line in (ROOT / path).read_text().splitlines()
        if statement.search(line)
    ]
    assert found == []


def test_the_web_process_and_the_scheduler_load_nothing_of_what_embeds() -> None:
    program = (
        "import sys, api, scheduler;"
        "print(sorted({'sklearn', 'openai', 'matplotlib'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"


def test_every_actor_has_a_worker_of_its_name() -> None:
    stems = {path.stem for path in (ROOT / "actors").glob("*.py")} - {
        "__init__",
        "broker",
        "pulse",
        "wake",
    }
    assert stems <= {path.stem for path in (ROOT / "workers").glob("*.py")}
