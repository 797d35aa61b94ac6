"""docs/operations/console.md says what the console is."""

import re

from api import OPERATIONS
from routes.console.views import PAGES
from tests.console.test_alerts import FRESHNESS_RULES
from tests.house.test_readme import ROOT, table

PAGE = ROOT / "docs" / "operations" / "console.md"


def test_the_table_of_pages_is_the_one_of_the_console() -> None:
    assert [tuple(row) for row in table(PAGE, "Page")] == [
        (f"`{page.path}`", page.role.name, page.shows) for page in PAGES
    ]


def test_the_table_of_forms_is_the_one_of_the_forms() -> None:
    forms = [each for each in OPERATIONS if each.form]
    assert [tuple(row) for row in table(PAGE, "Form")] == [
        (f"`{each.method} {each.path}`", each.role.name if each.role else "none") for each in forms
    ]


def test_every_alert_says_what_to_do() -> None:
    alerts = re.findall(r"- alert: (\w+)", FRESHNESS_RULES.read_text())
    assert [row[0].strip("`") for row in table(PAGE, "Alert")] == alerts


def test_every_image_is_there_is_small_and_is_shown() -> None:
    shown = set(re.findall(r"!\[[^\]]+\]\(images/([\w-]+\.png)\)", PAGE.read_text()))
    there = {path.name: path.stat().st_size for path in (PAGE.parent / "images").glob("*.png")}
    assert set(there) >= shown
    assert {name: size for name, size in there.items() if size > 150_000} == {}
