"""Docstrings of functions begin with a verb that says what the function does."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.test_layout import ROOT

ROOMS = (
    "actors",
    "routes",
    "scripts",
    "workers/books",
    "workers/core",
    "workers/embedding",
    "workers/ingest",
    "workers/library",
    "workers/operations",
    "workers/students",
    "workers/users",
)
# Words that begin a description of a thing, or of when and why, instead of saying what to do.
NO_VERBS = re.compile(
    "A|All|Also|An|Any|As|At|By|Each|Every|Everything|For|From|How|In|It|Newest|No|Nobody|None"
    "|Nothing|Of|On|One|Per|Same|Since|Some|That|The|These|They|This|Those|Unit|What|Whatever"
    "|When|Where|Whether|Which|Who|Whoever|With|Without"
)
# Fewer words say no more than the name.
MIN_WORDS = 4


def fault_of(docstring: str) -> str | None:
    """What is wrong with a function's docstring; None if nothing is."""
    first, *more = docstring.splitlines()
    verb = re.match(r"[A-Z][a-z]+(?![\w'])", first)
    # No verb of ours ends in one s; nouns and third persons do.
    if verb is None or NO_VERBS.fullmatch(verb[0]) or re.search(r"[^s]s$", verb[0]):
        return "begins with no verb"
    if not more and len(first.split()) < MIN_WORDS:
        return "says no more than the name"
    return None


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Functions with their docstrings; a property is named by a noun."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        decorators = {
            getattr(each, "id", getattr(each, "attr", "")) for each in node.decorator_list
        }
        docstring = ast.get_docstring(node)
        if docstring and not decorators & {"property", "cached_property"}:
            yield node.name, docstring


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_of_functions_begin_with_a_verb_and_say_more_than_the_name(room: str) -> None:
    paths = sorted((ROOT / room).rglob("*.py"))
    assert paths
    assert [
        f"{path.relative_to(ROOT)}: {name} {fault}: {docstring.splitlines()[0]}"
        for path in paths
        for name, docstring in docstrings(path)
        if (fault := fault_of(docstring))
    ] == []


@pytest.mark.parametrize(
    ("docstring", "fault"),
    [
        ("Read one student with its profile.", None),
        ("Process all messages of a queue.", None),
        ("Count.\n\nWhat is counted stays.", None),
        ("The open clients.", "begins with no verb"),
        ("Vectors of posts, one for each.", "begins with no verb"),
        ("`query`, once more, for all of them.", "begins with no verb"),
        ("Read a run.", "says no more than the name"),
    ],
)
def test_what_a_docstring_may_say(docstring: str, fault: str | None) -> None:
    assert fault_of(docstring) == fault
