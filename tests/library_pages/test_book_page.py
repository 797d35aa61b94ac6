"""A book's page: its readers and their levels, what goes with it, picks, hiding, corrections."""

import re

from starlette.testclient import TestClient

from tests.console.session import log_in
from tests.library import change, rows
from tests.library_pages.school import act, let_picks_lead, name_of
from tests.shelf import loan, record
from tests.work_off import work_off
from workers.books.arrays import Scoring
from workers.books.recommend import recommend
from workers.books.wanted import Wanted
from workers.core.api_keys import Role
from workers.core.vocabulary import Kind
from workers.ledger.freshness import Notification

PATH = "/library/books/B00"
READERS = "SELECT DISTINCT student_id FROM checkouts WHERE book_id = %s"


def cards(client: TestClient) -> list[str]:
    text = client.get("/library/students/S1").text
    return re.findall(r'<h3><a href="/library/books/(B\d+)"', text)


def test_the_page_says_who_borrows_the_book_and_what_goes_with_it(librarian: TestClient) -> None:
    text = librarian.get(PATH).text
    assert "<h1>Book 0</h1>" in text
    assert re.search(r"<span>Grade 4</span><progress max=\"(\d+)\" value=\"\1\"", text)
    also = text.partition("Readers also borrowed")[2].partition("</section>")[0]
    assert re.findall(r"/library/books/B\d[02468]", also), "readers of even books"
    assert "The label fits its readers." in text
    assert "All eight readers are fresh" in text
    change("UPDATE books SET reading_level = 7 WHERE book_id = 'B00'")
    assert "read below the label by 3.0 grades" in librarian.get(PATH).text


def test_who_has_it_is_named_to_librarians_and_counted_for_teachers(teacher: TestClient) -> None:
    change("UPDATE checkouts SET return_date = checkout_date")
    change(
        "UPDATE checkouts SET return_date = NULL"
        " WHERE (student_id, book_id) IN (('S2', 'B02'), ('S6', 'B02'))"
    )
    change("UPDATE students SET homeroom_teacher = 'Mx. Else' WHERE student_id = 'S6'")
    path = "/library/books/B02"
    text = teacher.get(path).text
    assert name_of(2) in text
    assert name_of(6) not in text
    assert "One child of another class" in text
    log_in(teacher, Role.librarian)
    assert name_of(6) in teacher.get(path).text


def test_a_pick_counts_in_the_very_next_list_and_ends_when_it_is_taken_off(
    librarian: TestClient,
) -> None:
    let_picks_lead()
    assert "B39" not in cards(librarian)
    said = act(librarian, "/books/B39/pick", band="Grades 3 to 5", until="2999-01-01", note="New!")
    assert "counts in the very next list" in said
    assert rows("SELECT book_id, grades, until::text, note FROM staff_picks") == [
        ("B39", [3, 4, 5], "2999-01-01", "New!")
    ]
    assert cards(librarian)[0] == "B39"
    assert "staff pick" in librarian.get("/library/students/S1").text
    act(librarian, "/books/B39/unpick")
    assert rows("SELECT FROM staff_picks") == []
    assert "B39" not in cards(librarian)


def test_a_form_that_does_not_fit_changes_nothing_and_says_why(librarian: TestClient) -> None:
    for path, fields, why in (
        ("/books/B39/pick", {"band": "Giants"}, "for whom"),
        ("/books/B39/pick", {"band": "Everybody", "until": "soon"}, "until"),
        ("/books/B39/correct", {"level": "four"}, "reading_level"),
        ("/books/B39/correct", {"level": "99"}, "reading_level"),
        ("/books/B39/correct", {"level": "4"}, "nothing differs"),
        ("/books/none/hide", {}, "unknown_book"),
    ):
        said = act(librarian, path, **fields)
        assert said.startswith("Not done:"), path
        assert why in said, said
    assert rows("SELECT FROM staff_picks") == rows("SELECT FROM hidden_books") == []


def test_a_hidden_book_is_in_no_list_of_a_child_a_class_or_readers(librarian: TestClient) -> None:
    (book, *_) = cards(librarian)
    act(librarian, f"/books/{book}/hide")
    assert book not in cards(librarian)
    scoring = Scoring()
    for wanted in (
        Wanted(student_ids=("S1", "S3", "S5"), limit=50),
        Wanted(book_id="B01", limit=50, available=False),
    ):
        assert book not in {item.book_id for item in recommend(scoring, wanted).items}
    scoring.close()
    assert "recommended to nobody" in librarian.get(f"/library/books/{book}").text
    act(librarian, f"/books/{book}/unhide")
    assert book in cards(librarian)


def test_a_correction_is_recorded_and_the_page_says_when_all_readers_are_fresh_again(
    librarian: TestClient,
) -> None:
    said = act(librarian, "/books/B00/correct", level="5.5", genre="dogs, cats", keywords="")
    assert said.startswith("Corrected")
    stored = "SELECT reading_level, genre FROM books WHERE book_id = 'B00'"
    assert rows(stored) == [(5.5, ["dogs", "cats"])]
    text = librarian.get(PATH).text
    assert "8 of 8 readers are being worked in" in text
    assert 'data-refresh="3"' in text
    work_off(
        [Notification(Kind.student_embedding, student_id) for (student_id,) in rows(READERS, "B00")]
    )
    text = librarian.get(PATH).text
    assert "All eight readers are fresh" in text
    assert "data-refresh" not in text
    done = "SELECT key_name, status FROM audit WHERE right(action, 7) = 'correct'"
    assert rows(done) == [("librarianer", 200)]


def test_a_teacher_reads_of_a_book_and_changes_nothing(teacher: TestClient) -> None:
    text = teacher.get(PATH).text
    assert "/library/acts/books" not in text


def test_a_book_that_only_a_loan_has_named_has_a_page(librarian: TestClient) -> None:
    change("INSERT INTO books (book_id) VALUES ('stub')")
    text = librarian.get("/library/books/stub").text
    assert "<h1>Book stub</h1>" in text
    for sentence in (
        "Nobody has borrowed it yet.",
        "Too few loans to say yet.",
        "What it is about is being worked out.",
        "Nobody has it at the moment.",
    ):
        assert sentence in text, sentence
    assert "Not done" in act(librarian, "/books/stub/correct", level="3")
    assert librarian.get("/library/books/none").status_code == 404


def test_a_teacher_is_not_told_the_level_of_one_child_of_another_class(
    teacher: TestClient,
) -> None:
    change("DELETE FROM checkouts WHERE book_id = 'B00' AND student_id <> 'S1'")
    change("UPDATE students SET homeroom_teacher = 'Mx. Else' WHERE student_id = 'S1'")
    record(loan("S1", 0, days_ago=3))
    text = teacher.get(PATH).text
    assert "Half of them between" not in text
    assert "Too few readers of it have a level" in text
    log_in(teacher, Role.librarian)
    assert "Half of them between" in teacher.get(PATH).text
