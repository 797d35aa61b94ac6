"""The boards of staff picks: by grades, in an order that people choose, with what came of each."""

import pytest
from starlette.testclient import TestClient

from tests.library import change, rows
from tests.library_pages.school import act, let_picks_lead
from tests.shelf import loan, record
from workers.core.errors import UnknownKeyError
from workers.library.picks import boards_of, list_picks, move_pick

PATH = "/library/picks"


def pick(book_id: str, *grades: int, **fields: object) -> None:
    record(
        {
            "event_type": "staff_pick_added",
            "book_id": book_id,
            "grades": list(grades) or None,
            **fields,
        }
    )


def board(name: str) -> list[str]:
    (found,) = (each for each in boards_of(list_picks()) if each.name == name)
    return [each.book_id for each in found.picks]


def test_a_pick_stands_on_every_board_that_one_of_its_grades_belongs_to(
    librarian: TestClient,
) -> None:
    pick("B01")
    pick("B02", 5, 6)
    assert board("Everybody") == ["B01"]
    assert board("Grades 3 to 5") == board("Grades 6 to 8") == ["B02"]
    text = librarian.get(PATH).text
    assert text.count(">Book 2</a>") == 2
    assert "No picks here at the moment." in text


def test_people_choose_the_order(librarian: TestClient) -> None:
    for book_id in ("B03", "B02", "B01"):
        pick(book_id)
    assert board("Everybody") == ["B01", "B02", "B03"]
    assert act(librarian, "/picks/B03/move", before="B01") == "Moved."
    assert board("Everybody") == ["B03", "B01", "B02"]
    move_pick("B03", before=None)
    assert board("Everybody") == ["B01", "B02", "B03"]
    assert "Not done" in act(librarian, "/picks/B03/move", before="B09")
    with pytest.raises(UnknownKeyError):
        move_pick("B09", before=None)


def test_the_effect_is_how_many_children_got_and_borrowed_it_since(librarian: TestClient) -> None:
    let_picks_lead()
    pick("B39", 4)
    assert "not recommended yet" in librarian.get(PATH).text
    for number in (0, 1, 2, 2):
        assert ">Book 39</a>" in librarian.get(f"/library/students/S{number}").text
    record(loan("S0", 39, days_ago=0), loan("S1", 39, days_ago=9))
    (found,) = list_picks()
    assert (found.recommended, found.borrowed) == (3, 1)
    assert "recommended to three children, borrowed by 1" in librarian.get(PATH).text


def test_a_pick_that_is_over_stands_apart_and_on_no_front_page(librarian: TestClient) -> None:
    pick("B05", until="2020-01-01")
    text = librarian.get(PATH).text
    assert "<h2>Over</h2>" in text
    assert "until 1 Jan 2020" in text
    assert "Nothing is picked at the moment." in librarian.get("/library").text


def test_a_search_finds_books_to_pick(librarian: TestClient) -> None:
    text = librarian.get(f"{PATH}?q=Book+7").text
    assert 'action="/library/acts/books/B07/pick"' in text
    act(librarian, "/books/B07/pick", band="Everybody")
    assert "picked already" in librarian.get(f"{PATH}?q=Book+7").text
    assert rows("SELECT book_id FROM staff_picks") == [("B07",)]
    assert "Book 7" in librarian.get("/library").text
    change("DELETE FROM staff_picks")
