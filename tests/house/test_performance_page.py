"""The figures on the pages are those of the last run."""

import json
from pathlib import Path

import pytest

from bench.performance_page import PAGE, README, ROOT, with_figures


@pytest.mark.parametrize("page", [README, PAGE], ids=lambda page: page.name)
def test_no_figure_of_a_page_is_typed_by_hand(page: Path) -> None:
    text = page.read_text()
    document = json.loads((ROOT / "bench" / "results" / "latest.json").read_text())
    assert with_figures(text, document) == text
    assert "<!-- figures:" in text
