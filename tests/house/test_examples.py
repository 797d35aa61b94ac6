"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

import workers

ROOM = Path(workers.__file__).parent
WORKERS = sorted(
    ".".join(("workers", *path.relative_to(ROOM).with_suffix("").parts))
    for path in ROOM.glob("*/[!_]*.py")
)


@pytest.mark.parametrize("name", WORKERS)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples_in_docstrings() -> None:
    modules = [importlib.import_module(name) for name in WORKERS]
    examples = [t for module in modules for t in doctest.DocTestFinder().find(module) if t.examples]
    assert len(examples) >= 3
