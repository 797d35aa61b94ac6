"""Pages about everybody in a browser: weights are tried and taken back, figures read, a map lit."""

import csv
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.library import change, rows
from tests.library_pages.school import name_of
from tests.library_pages.walking import log_in
from workers.books.recommendation_weeks import store_weeks
from workers.core.api_keys import Role


def test_a_librarian_tries_weights_puts_them_in_force_and_goes_back(page: Page) -> None:
    log_in(page, Role.librarian)
    page.get_by_role("link", name="Weights").click()
    expect(page.locator("article")).to_have_count(3)
    page.locator("select[name=first]").select_option(label=f"{name_of(3)}, grade 4")
    page.get_by_label("Readers of the same books: slider").fill("0")
    expect(page.locator("#weight-readers")).to_have_value("0")
    for name, weight in {"content": "0", "neighbors": "0", "trending": "1"}.items():
        page.locator(f"#weight-{name}").fill(weight)
    page.get_by_role("button", name="Preview").click()
    first = page.locator("article").first
    expect(first).to_contain_text(name_of(3))
    expect(first.get_by_role("heading", name="With these weights")).to_be_visible()
    expect(page.locator("article .pill").first).to_be_visible()
    promised = first.locator("ol").last.get_by_role("link").all_inner_texts()
    page.get_by_role("button", name="Put these weights in force").click()
    expect(page.get_by_role("status")).to_contain_text("Version 1 is in force")
    page.get_by_role("link", name=name_of(3)).first.click()
    assert page.locator(".card h3").all_inner_texts() == promised
    page.goto("/library/weights")
    page.get_by_text("Roll back to version 0").click()
    page.get_by_role("button", name="Roll back", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Version 0 is in force again")
    assert rows("SELECT version FROM term_weights ORDER BY version") == [(1,), (2,)]


def test_a_librarian_reads_the_figures_and_takes_a_file_along(page: Page, tmp_path: Path) -> None:
    log_in(page, Role.librarian)
    change("DELETE FROM checkouts WHERE student_id = 'S4'")
    page.goto("/library/students/S0")
    store_weeks()
    page.get_by_role("link", name="Figures").click()
    expect(page.locator("rect.bar.main")).to_have_count(52)
    expect(page.get_by_text("No week is over yet")).to_be_visible()
    expect(page.get_by_role("link", name=name_of(4))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV: Children without loans").click()
    download.value.save_as(tmp_path / "children.csv")
    with (tmp_path / "children.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == [name_of(4)]


def test_neighbours_light_up_beneath_the_pointer_and_from_the_keyboard(page: Page) -> None:
    log_in(page, Role.librarian)
    page.get_by_role("link", name="Map").click()
    points = page.locator("#map circle")
    expect(points).to_have_count(20)
    near = points.nth(4).get_attribute("data-near")
    assert near
    expected = len(near.split())
    points.nth(4).dispatch_event("pointerover")
    expect(page.locator("#map circle.near")).to_have_count(expected)
    expect(page.locator("#readers tr.here")).to_contain_text(name_of(4))
    page.locator("#map").dispatch_event("pointerleave")
    expect(page.locator("#map circle.near")).to_have_count(0)
    row = page.locator("#readers tr").nth(2)
    row.get_by_role("link").focus()
    expect(page.locator("#map circle.here")).to_have_count(1)
    expect(row).to_have_class("here")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name_of(2), exact=True)).to_be_visible()
