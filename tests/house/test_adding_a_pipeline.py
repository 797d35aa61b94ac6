"""The pipeline of docs/architecture.md works as it stands there, on a copy of the tree."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.test_readme import ARCHITECTURE, ROOT, environment

pytestmark = pytest.mark.slow

MAX_LINES = 80
BLOCK = re.compile(r"^```(diff|sql|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^(?:#|--) ([\w/.]+\.(?:py|sql))\n", re.MULTILINE)
# What a new kind has to fit as well: its row, its actor, its queries, its room.
ALSO = ("tests/ledger/test_kinds.py", "tests/core/test_queries.py", "tests/house/test_layout.py")


def section() -> str:
    text = ARCHITECTURE.read_text()
    return text[text.index("## Adding a pipeline") : text.index("## Decisions")]


def changed(text: str, diff: str) -> str:
    """Change a text as the lines of a diff say, each run of them where its own lines stand."""
    before: list[str] = []
    after: list[str] = []
    for line in [*diff.splitlines(), ""]:
        # A run ends where a kept line follows an added one, and at the end.
        if before and after != before and (not line or line[0] == " "):
            old, new = ("".join(f"{each}\n" for each in lines) for lines in (before, after))
            assert text.count(old) == 1, f"stands {text.count(old)} times:\n{old}"
            text = text.replace(old, new)
            before, after = [], []
        if line[:1] in (" ", "-"):
            before.append(line[1:])
        if line[:1] in (" ", "+"):
            after.append(line[1:])
    return text


def test_the_pipeline_of_the_page_works_as_it_stands_there(tmp_path: Path) -> None:
    tree = tmp_path / "kinfold"
    unwanted = shutil.ignore_patterns(".git", ".venv", ".kinfold", ".*_cache", "__pycache__")
    shutil.copytree(ROOT, tree, ignore=unwanted)
    tests = []
    for language, block in BLOCK.findall(section()):
        _, *parts = NAME.split(block)
        for name, body in zip(parts[::2], parts[1::2], strict=True):
            path = tree / name
            assert path.exists() == (language == "diff"), name
            path.write_text(changed(path.read_text(), body) if language == "diff" else body)
            tests += [name] if name.startswith("tests/") else []
    assert tests
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests, *ALSO],
        cwd=tree,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_section_is_short() -> None:
    assert section().count("\n") < MAX_LINES
