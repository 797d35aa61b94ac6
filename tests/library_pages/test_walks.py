"""The library's pages in a browser: what a teacher and a librarian do there on a morning."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from routes.library.views import PAGES
from tests.browser import DESKTOP, PHONE, Album, faults
from tests.library import change, rows
from tests.library_pages.school import (
    CLASS,
    OTHER_CLASS,
    let_picks_lead,
    name_of,
)
from tests.library_pages.test_pages import filled
from tests.library_pages.walking import log_in
from workers.core.api_keys import Role

CHILD = "/library/students/S0"


@pytest.fixture
def album(tmp_path: Path) -> Album:
    return Album(tmp_path / "screenshots")


def titles(page: Page) -> list[str]:
    return page.locator(".cards h3").all_inner_texts()


def test_a_teacher_prints_slips_of_their_class_and_finds_no_child_of_another(
    page: Page, album: Album
) -> None:
    log_in(page, Role.teacher)
    page.get_by_role("link", name="Ms. Abara").click()
    page.get_by_role("link", name="nothing for three weeks").click()
    expect(page.locator("tbody").first.locator("tr")).to_have_count(10)
    page.get_by_role("link", name="Slips to print").click()
    expect(page.locator(".slip")).to_have_count(10)
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator("header.top")).to_be_hidden()
    expect(page.get_by_role("button", name="Print")).to_be_hidden()
    album.keep(page, "slips-printed")
    page.emulate_media(media="screen")
    for path in ("/library/students/S1", OTHER_CLASS):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 404
        expect(page.get_by_text(name_of(1))).to_have_count(0)
    page.get_by_role("link", name="To the library").click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()


def test_not_this_one_replaces_the_card_and_the_book_is_gone_for_good(page: Page) -> None:
    log_in(page, Role.librarian)
    page.get_by_role("searchbox").first.fill("child a")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=name_of(0)).click()
    before = titles(page)
    assert len(before) == 5
    card = page.locator(".card").first
    card.locator("summary").click()
    card.get_by_role("button", name="Too hard").click()
    expect(page.get_by_role("status")).to_contain_text("not be recommended to this child again")
    after = titles(page)
    assert len(after) == 5
    assert before[0] not in after
    page.get_by_role("button", name=f"Later: {after[0]}").click()
    expect(page.get_by_role("heading", name="Wanted later")).to_be_visible()
    page.get_by_role("button", name=f"Give it: {after[0]}").click()
    expect(page.get_by_role("status")).to_contain_text("Given.")
    expect(page.get_by_role("heading", name="Wanted later")).to_have_count(0)
    loans = page.get_by_role("region", name="Loans of")
    expect(loans.get_by_text("still out").first).to_be_visible()
    assert not {before[0], after[0]} & set(titles(page))


def test_a_librarian_picks_a_book_and_sees_it_in_a_childs_list_and_corrects_another(
    page: Page,
) -> None:
    let_picks_lead()
    log_in(page, Role.librarian)
    page.get_by_role("link", name="Picks").click()
    page.get_by_label("Find a book to pick").fill("Book 39")
    page.get_by_role("button", name="Search").click()
    card = page.locator(".card", has=page.get_by_role("link", name="Book 39", exact=True))
    card.get_by_role("combobox").select_option("Grades 3 to 5")
    card.get_by_role("button", name="Pick").click()
    expect(page.get_by_role("status")).to_contain_text("counts in the very next list")
    page.goto("/library/students/S1")
    picked = page.locator(".card", has=page.get_by_role("link", name="Book 39", exact=True))
    expect(picked).to_contain_text("staff pick")
    page.goto("/library/books/B01")
    page.locator("summary", has_text="Correct").click()
    page.get_by_label("Level in grades").fill("5.5")
    page.get_by_role("button", name="Correct it").click()
    expect(page.get_by_role("status")).to_contain_text("Corrected.")
    expect(page.locator(".calm")).to_contain_text("being worked in")
    # Nobody loads the page again: it says by itself when all are fresh.
    change("UPDATE freshness SET done = wanted, stale_since = NULL")
    expect(page.locator(".calm")).to_contain_text("are fresh")


def test_every_page_can_be_used_by_everybody(page: Page, album: Album) -> None:
    log_in(page, Role.librarian)
    change("INSERT INTO staff_picks (book_id, note) VALUES ('B01', 'Everybody asks for it')")
    paths = [filled(each.path) for each in PAGES]
    paths += [f"{CLASS}?together=true&groups=true", "/library?q=book", "/library/picks?q=book"]
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size in (DESKTOP, PHONE):
            page.set_viewport_size(size)
            for path in paths:
                answer = page.goto(path)
                assert answer is not None
                assert answer.status == 200, path
                wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, f"{path} is {wide} px wider than {size['width']}"
                name = path.strip("/").replace("/", "-").replace("?", "-").replace("&", "-")
                album.keep(page, f"{name}-{size['width']}-{scheme}")
                if (scheme == "light") == (size is DESKTOP):
                    assert faults(page) == []


def test_an_act_needs_neither_scripts_nor_a_mouse(page: Page) -> None:
    log_in(page, Role.librarian)
    assert page.context.browser is not None
    bare = page.context.browser.new_page(
        java_script_enabled=False,
        base_url=page.url,
        storage_state=page.context.storage_state(),
    )
    bare.goto(CHILD)
    (first, *_) = titles(bare)
    summary = bare.locator(".card").first.locator("summary")
    summary.focus()
    bare.keyboard.press("Enter")
    bare.get_by_role("button", name="Not interested").press("Enter")
    expect(bare.get_by_role("status")).to_contain_text("not be recommended")
    assert first not in titles(bare)
    assert rows("SELECT verdict, reason FROM book_feedback") == [("disliked", "not_interested")]
    bare.close()
