"""The house stays as it is built: imports point one way, SQL has its own room."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A folder of workers/ imports itself and folders on lower floors; two on one floor never meet.
FLOORS = {
    "core": 1,
    "jobs": 2,
    "ledger": 3,
    "embedding": 3,
    "neighbors": 4,
    "ingest": 5,
    "students": 6,
    "books": 6,
    "documents": 6,
    "users": 6,
    "library": 7,
    "readers": 7,
    "operations": 7,
}
FORBIDDEN = {
    "workers": {"api", "scheduler", "routes", "actors", "dramatiq", "starlette", "apscheduler"},
    "actors": {"api", "scheduler", "routes", "starlette"},
    "routes": {"api", "scheduler", "dramatiq", "psycopg.sql"},
}
# The web process answers while any of these would hold the interpreter for a second.
LATE = "{'sklearn', 'openai', 'matplotlib', 'faiss', 'tokenizers'}"
ROOMS = ("workers", "actors", "routes", "embedded")
MODULES = [
    *sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py")),
    *(Path(name) for name in ("api.py", "scheduler.py", "web.py")),
]


def imported(text: str) -> Iterator[str]:
    """Yield the modules that a text imports; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def upward(path: Path, text: str) -> list[str]:
    """Imports of a module of workers/ that do not point to a lower floor."""
    folder = path.parts[1]
    return [
        name
        for name in imported(text)
        if name.startswith("workers.")
        for other in [name.split(".")[1]]
        if other != folder and FLOORS[other] >= FLOORS[folder]
    ]


def outward(path: Path, text: str) -> list[str]:
    """Imports of a room that its room may not know."""
    forbidden = FORBIDDEN.get(path.parts[0], set())
    return [name for name in imported(text) if {name, name.split(".")[0]} & forbidden]


def test_imports_between_rooms_point_one_way() -> None:
    wrong = {str(path): names for path in MODULES if (names := outward(path, read(path)))}
    assert wrong == {}


def test_folders_of_workers_import_lower_floors_only() -> None:
    wrong = {
        str(path): names
        for path in MODULES
        if path.parts[0] == "workers"
        and len(path.parts) == 3
        and (names := upward(path, read(path)))
    }
    assert wrong == {}


def test_every_module_of_workers_stands_in_a_folder_with_a_floor() -> None:
    outside = [
        str(path)
        for path in MODULES
        if path.parts[0] == "workers"
        and path != Path("workers/__init__.py")
        and (len(path.parts) != 3 or path.parts[1] not in FLOORS)
    ]
    assert outside == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    below = {
        ".".join(path.with_suffix("").parts): set(imported(read(path)))
        for path in MODULES
        if path.name != "__init__.py"
    }
    seen: dict[str, bool] = {}

    def walk(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join([*trail, module])
        if module in seen:
            return
        for other in below[module] & below.keys():
            walk(other, (*trail, module))
        seen[module] = True

    for module in below:
        walk(module, ())


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("workers/students/x.py", "from workers.books import recommend"),
        ("workers/core/x.py", "from workers.jobs import runs"),
        ("workers/ledger/x.py", "import workers.embedding.texts"),
        ("workers/jobs/x.py", "from workers.ledger.freshness import claim"),
    ],
)
def test_an_import_against_the_floors_is_found(path: str, line: str) -> None:
    assert upward(Path(path), line)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("routes/api/x.py", "from psycopg import sql"),
        ("routes/api/x.py", "import psycopg.sql"),
        ("workers/core/x.py", "from starlette.requests import Request"),
        ("actors/x.py", "import routes.api.events"),
    ],
)
def test_an_import_of_a_room_above_is_found(path: str, line: str) -> None:
    assert outward(Path(path), line)


def test_only_stores_opens_clients() -> None:
    opening = re.compile(r"\b(psycopg\.connect|ConnectionPool|Redis\(|from_url|MongoClient)\(?")
    found = [
        f"{path}: {line.strip()}"
        for path in MODULES
        if path.parts[0] in ("workers", "actors", "routes") or len(path.parts) == 1
        if path != Path("workers/core/stores.py")
        for line in read(path).splitlines()
        if (match := opening.search(line)) and match[0].endswith("(")
    ]
    assert found == []


def test_what_a_process_keeps_stands_in_no_global_but_one() -> None:
    found = [
        str(path)
        for path in MODULES
        if path != Path("workers/core/process.py")
        if any(isinstance(node, ast.Global) for node in ast.walk(ast.parse(read(path))))
    ]
    assert found == []


def test_a_query_never_leaves_the_module_of_its_name() -> None:
    named = re.compile(r"\bquery\(\s*\"([^\"]+)\"")
    found = [
        f"{path}: {name}"
        for path in MODULES
        for name in named.findall(read(path))
        if f"workers/{name.split('.')[0]}.py" != str(path)
    ]
    assert found == []


def test_no_module_imports_the_statement_of_another() -> None:
    statements = {
        (".".join(path.with_suffix("").parts), name)
        for path in MODULES
        for name in re.findall(r"^(_?[A-Z][A-Z_]*) = query\(", read(path), re.MULTILINE)
    }
    found = [
        f"{path}: {node.module}.{alias.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if (node.module, alias.name) in statements
    ]
    assert found == []


def read(path: Path) -> str:
    return (ROOT / path).read_text()


def test_no_file_is_longer_than_350_lines() -> None:
    long = {
        str(path): count
        for path in ROOT.rglob("*.py")
        if not {".venv", ".kinfold"} & set(path.parts)
        and (count := len(path.read_text().splitlines())) > 350
    }
    assert long == {}


def test_sql_stands_in_sql_only() -> None:
    statement = re.compile(r"[\"'](SELECT|INSERT INTO|UPDATE|DELETE FROM)\s")
    found = [
        f"{path}: {line.strip()}"
        for path in MODULES
        if path.parts[0] not in ("tests", "embedded")
        for line in read(path).splitlines()
        if statement.search(line)
    ]
    assert found == []


def test_the_web_process_and_the_scheduler_load_nothing_of_what_embeds() -> None:
    program = f"import sys, api, scheduler; print(sorted({LATE} & set(sys.modules)))"
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"
