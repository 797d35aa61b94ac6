"""Lists in a browser: somebody without an account finds ten books, a librarian imports a file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from tests.api.test_access import API_KEYS, SECRETS
from tests.browser import DESKTOP, PHONE, Album, faults
from tests.csv_files import STUDENTS
from tests.library import rows
from tests.library_pages.walking import in_browser
from tests.lists import TWENTY, open_library
from workers.core.api_keys import Role
from workers.ingest.imports import run_import

pytestmark = pytest.mark.slow


@pytest.fixture
def page(stores: None, configure: Callable[..., None], tmp_path: Path) -> Iterator[Page]:
    """A browser over a library of a hundred and twenty known books."""
    configure(API_KEYS=API_KEYS)
    open_library()
    with in_browser(tmp_path / "logs") as page:
        yield page


def picture(page: Page, album: Album, name: str) -> None:
    """The page on a screen and on a phone, by day and by night; none wider than its screen."""
    for device, size in (("1280", DESKTOP), ("390", PHONE)):
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            album.keep(page, f"{name}-{device}-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
    assert faults(page) == []
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="light")


def titles(page: Page) -> list[str]:
    return page.locator(".cards h3").all_inner_texts()


def test_a_reader_finds_ten_books_keeps_the_list_and_deletes_it(page: Page, tmp_path: Path) -> None:
    album = Album(tmp_path / "screenshots")
    page.goto("/reader")
    assert page.context.cookies() == []
    picture(page, album, "reader")
    page.get_by_label("Titles, one in a line").fill(TWENTY + "A Book of Invented Trains\n")
    page.get_by_role("button", name="Find books for me").click()
    expect(page.locator(".cards .card")).to_have_count(10)
    expect(page.get_by_text("20 of the 21 titles on your list")).to_be_visible()
    assert page.context.cookies() == []
    picture(page, album, "reader-books")
    first, second, *_ = titles(page)
    page.get_by_role("button", name=f"Not for me: {first}").click()
    expect(page.locator(".cards h3").filter(has_text=first)).to_have_count(0)
    page.get_by_role("button", name="Keep my list").click()
    code = page.locator("code.code").inner_text()
    assert [cookie["name"] for cookie in page.context.cookies()] == ["kinfold_reader"]
    assert first not in titles(page)
    picture(page, album, "reader-kept")
    page.get_by_role("button", name=f"Read it and liked it: {second}").click()
    expect(page.get_by_text(f"You also read and liked {second}")).to_be_visible()
    page.get_by_role("button", name="Forget it on this device").click()
    expect(page.get_by_text("This device has forgotten your list")).to_be_visible()
    assert page.context.cookies() == []
    page.get_by_label("The code of your list").fill(code)
    page.get_by_role("button", name="Open my list").click()
    expect(page.locator(".cards .card")).to_have_count(10)
    assert not {first, second} & set(titles(page))
    page.get_by_role("button", name="Delete everything").click()
    expect(page.get_by_text("Your list is deleted")).to_be_visible()
    assert page.context.cookies() == []
    assert rows("SELECT FROM readers") == []


def test_a_librarian_looks_at_a_file_and_imports_it(page: Page, tmp_path: Path) -> None:
    album = Album(tmp_path / "screenshots")
    page.goto("/library/import")
    page.get_by_label("API key").fill(SECRETS[Role.librarian])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Import", exact=True)).to_be_visible()
    picture(page, album, "import")
    text = f"{STUDENTS}\nN1,four,9,Ms. Abara,,first\nN2,4,9,Ms. Abara,,first\nN3,4,9\n"
    file = tmp_path / "students.csv"
    file.write_text(text)
    page.get_by_label("The file holds").select_option("Students")
    page.get_by_label("A CSV file").set_input_files(file)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_text("not a whole number: 'four'")).to_be_visible()
    assert rows("SELECT FROM students") == []
    picture(page, album, "import-checked")
    page.get_by_role("button", name="Import one row").click()
    expect(page.get_by_text("The import has begun")).to_be_visible()
    picture(page, album, "import-running")
    ((run_id,),) = rows("SELECT run_id FROM imports")
    run_import(UUID(str(run_id)))
    expect(page.get_by_text("One row new")).to_be_visible()
    assert rows("SELECT student_id FROM students") == [("N2",)]
    picture(page, album, "import-done")
