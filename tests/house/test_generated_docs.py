"""The tables of the docs are what `make docs` writes from the code."""

from pathlib import Path

import pytest

from scripts.write_docs import MARKED, PAGES, written
from workers.core.settings import Settings


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_what_make_docs_writes(page: Path) -> None:
    text = page.read_text()
    assert MARKED.search(text)
    assert written(text) == text, "make docs"


def test_every_setting_says_what_it_is_and_stands_on_the_page() -> None:
    page = next(page for page in PAGES if page.name == "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"| `{name.upper()}` |" in page
