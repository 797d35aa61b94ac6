"""The docs are true: commands run as written, tables match the code, what is named exists."""

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from embedded.ports import free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
API = ROOT / "docs" / "api.md"
SETTINGS = ROOT / "docs" / "settings.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
RELIABILITY = ROOT / "docs" / "reliability.md"
CONSOLE = ROOT / "docs" / "operations" / "console.md"
PAGES = (README, API, SETTINGS, ARCHITECTURE, RELIABILITY, CONSOLE)

WRITTEN_PORT = 8000
START_SECONDS = 120
# Some answers become true a moment after the request before them.
SETTLE_SECONDS = 30

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Example:
    """A command of a console block, and what the page says that it prints."""

    command: str
    output: str


def blocks(page: Path, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(page.read_text()) if name == language]


def read_examples(block: str) -> list[Example]:
    """`$ ` begins a command; it goes on while the shell would ask for more, the rest is output."""
    examples: list[Example] = []
    lines = iter(block.splitlines())
    for line in lines:
        if not line.startswith("$ "):
            assert examples, f"output before the first command: {line}"
            examples[-1] = Example(examples[-1].command, f"{examples[-1].output}{line}\n")
            continue
        command = line.removeprefix("$ ")
        while goes_on(command):
            command += "\n" + next(lines)
        examples.append(Example(command, ""))
    return examples


def goes_on(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:  # a quote is open, or a backslash stands at the end
        return True
    return command.endswith(("|", "&&", "\\"))


def table(page: Path, first_heading: str) -> list[list[str]]:
    """The cells of the rows of the table whose first column has this heading."""
    lines = page.read_text().splitlines()
    starts = [n for n, line in enumerate(lines) if line.startswith(f"| {first_heading} |")]
    rows = []
    for start in starts:
        for line in lines[start + 2 :]:
            if not line.startswith("|"):
                break
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def shape(text: str, written_ids: set[str]) -> str:
    """`text` without what differs from run to run.

    That is: ids made at random, times, measured numbers and secrets. An id that a command of the
    page names is kept, and so are counts, states and names.
    """
    text = UUID.sub(lambda match: match[0] if match[0] in written_ids else "UUID", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"-?\d+\.\d+(?:e-?\d+)?", "NUMBER", text)
    return re.sub(r"\b[0-9a-f]{64}\b", "(64 hex digits)", text).strip()


EXAMPLES = [
    example
    for page in (README, API)
    for block in blocks(page, "console")
    for example in read_examples(block)
]
WRITTEN_IDS = {found for example in EXAMPLES for found in UUID.findall(example.command)}


@dataclass(frozen=True)
class Clone:
    """A copy of this checkout, as a person who just cloned it has it, and its running stack."""

    path: Path
    port: int

    def output(self) -> str:
        return (self.path / "output").read_text()

    def run(self, command: str) -> str:
        """What it prints; nothing is replaced but the port."""
        done = subprocess.run(
            ["bash", "-c", command.replace(f":{WRITTEN_PORT}/", f":{self.port}/")],
            cwd=self.path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{command}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def running(self) -> Iterator[None]:
        """`make run` without the building of .venv, until its Ctrl-C."""
        with (self.path / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "embedded"],
                cwd=self.path,
                env=environment() | {"PORT": str(self.port)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        with process:
            try:
                deadline = time.monotonic() + START_SECONDS
                while "kinfold is ready" not in self.output():
                    assert process.poll() is None, self.output()
                    assert time.monotonic() < deadline, self.output()
                    time.sleep(0.1)
                yield
                process.send_signal(signal.SIGINT)
                assert process.wait(60) == 0, self.output()
            finally:
                process.kill()


def environment() -> dict[str, str]:
    """Ours without settings, and with this interpreter's programs first."""
    from workers.core.settings import Settings

    settings = {name.upper() for name in Settings.model_fields}
    unwanted = settings | {"PORT", "HOST", "KINFOLD_HOME", "PYTHONPATH"}
    kept = {name: text for name, text in os.environ.items() if name not in unwanted}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    path = tmp_path_factory.mktemp("readme") / "kinfold"
    unwanted = shutil.ignore_patterns(".git", ".venv", ".kinfold", ".*_cache", "__pycache__")
    shutil.copytree(ROOT, path, ignore=unwanted)
    (path / ".venv").symlink_to(sys.prefix)
    clone = Clone(path, free_port())
    with clone.running():
        yield clone


def test_every_command_of_the_readme_and_the_api_page_prints_what_they_say(clone: Clone) -> None:
    assert len(EXAMPLES) >= 10
    for example in EXAMPLES:
        expected = shape(example.output, WRITTEN_IDS)
        deadline = time.monotonic() + SETTLE_SECONDS
        while (printed := shape(clone.run(example.command), WRITTEN_IDS)) != expected:
            assert time.monotonic() < deadline, f"{example.command}\nprints\n{printed}"
            time.sleep(0.2)


def test_the_start_prints_what_the_readme_says(clone: Clone) -> None:
    (text,) = blocks(README, "text")
    printed = re.sub(r"\d+", "N", clone.output())
    expected = re.sub(r"\d+", "N", text).splitlines()
    assert [line for line in expected if line != "..." and line not in printed] == []


def test_a_key_made_as_the_readme_says_is_accepted(clone: Clone) -> None:
    from workers.core.api_keys import Role, find_key, parse_api_keys

    (command,) = [example.command for example in EXAMPLES if "API_KEYS" in example.command]
    lines = dict(line.strip().split(": ", 1) for line in clone.run(command).splitlines())
    key = find_key(parse_api_keys(lines["API_KEYS"]), lines["key"])
    assert key is not None
    assert key.role is Role.admin
    assert key.digest == hashlib.sha256(lines["key"].encode()).hexdigest()


def variables_of_processes() -> list[str]:
    return [row[0].strip("`") for row in table(SETTINGS, "Variable") if len(row) == 3]


def test_variables_of_the_processes_are_read_somewhere() -> None:
    files = [ROOT / "Procfile", ROOT / "Makefile", ROOT / "web.py"]
    files += (ROOT / "embedded").glob("*.py")
    sources = "\n".join(path.read_text() for path in files)
    names = variables_of_processes()
    assert names
    assert [name for name in names if not re.search(rf"\b{name}\b", sources)] == []


def test_the_ledgers_columns_are_those_of_the_architecture_page(template_url: str) -> None:
    written = [
        name for row in table(ARCHITECTURE, "Column") for name in re.findall(r"`(\w+)`", row[0])
    ]
    with psycopg.connect(template_url) as conn:
        cursor = conn.execute("SELECT * FROM freshness LIMIT 0")
        assert cursor.description is not None
        assert sorted(written) == sorted(column.name for column in cursor.description)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    files = r"[\w.-]+(?:/[\w.-]+)*\.(?:py|sql|md|json|toml|txt|in)|[\w.-]+/(?:[\w.-]+/?)*|Procfile"
    spans = [span for span in re.findall(r"`([^`\n]+)`", text) if re.fullmatch(files, span)]
    # x stands for a name, and .kinfold is made by the first run.
    named = [ROOT / span for span in spans if not re.search(r"(^|/)(test_)?x\.|^\.kinfold", span)]
    linked = [page.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    assert named + linked
    assert [str(path) for path in named + linked if not path.exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_names_exists(page: Path) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    named = re.findall(r"(?:^|`)make (\w+)", page.read_text(), re.MULTILINE)
    assert named
    assert set(named) <= set(phony[1].split())


def test_app_json_starts_the_processes_of_the_procfile_with_settings_that_exist() -> None:
    from embedded.procfile import read_procfile
    from workers.core.settings import Settings

    app = json.loads((ROOT / "app.json").read_text())
    processes = set(read_procfile(ROOT / "Procfile")) - {"release"}
    assert set(app["formation"]) == processes
    ours = {name.upper() for name in Settings.model_fields}
    assert set(app["env"]) <= ours | set(variables_of_processes())
    Settings.model_validate(
        {
            name.lower(): variable["value"]
            for name, variable in app["env"].items()
            if "value" in variable and name in ours
        }
        | {"api_keys": f"ops:admin:{'0' * 64}", "database_url": "postgres://x/y"}
        | {"redis_url": "rediss://x"}
    )
