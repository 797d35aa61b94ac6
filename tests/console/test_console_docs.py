"""docs/operations/console.md says what the console is."""

import re

from tests.console.test_alerts import FRESHNESS_RULES
from tests.house.test_readme import ROOT, table

PAGE = ROOT / "docs" / "operations" / "console.md"


def test_every_alert_says_what_to_do() -> None:
    alerts = re.findall(r"- alert: (\w+)", FRESHNESS_RULES.read_text())
    assert [row[0].strip("`") for row in table(PAGE, "Alert")] == alerts


def test_every_image_is_there_is_small_and_is_shown() -> None:
    shown = set(re.findall(r"!\[[^\]]+\]\(images/([\w-]+\.png)\)", PAGE.read_text()))
    there = {path.name: path.stat().st_size for path in (PAGE.parent / "images").glob("*.png")}
    assert set(there) >= shown
    assert {name: size for name, size in there.items() if size > 150_000} == {}
