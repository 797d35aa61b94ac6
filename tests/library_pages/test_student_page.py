"""A child's page: five books and why, what an act does to them, readers like the child by name."""

import re

from starlette.testclient import TestClient

from routes.library.words import why_near
from tests.library import change, rows
from tests.library_pages.school import act, name_of
from tests.shelf import TODAY
from workers.library.child import Child, NearChild

PATH = "/library/students/S0"


def cards(client: TestClient, path: str = PATH) -> list[str]:
    """The ids of the books on the cards, in order."""
    section = client.get(path).text.partition('<ol class="cards">')[2].partition("</ol>")[0]
    return re.findall(r'<h3><a href="/library/books/(B\d+)"', section)


def test_the_page_names_the_child_and_shows_five_books_with_why(librarian: TestClient) -> None:
    text = librarian.get(PATH).text
    assert f"<h1>{name_of(0)}</h1>" in text
    assert "reads at level 4.0" in text
    assert len(set(cards(librarian))) == 5
    assert text.count('class="why"') >= 5
    assert "What speaks for it: " in text
    assert "just right" in text


def test_a_book_that_is_given_is_a_loan_of_today_and_comes_no_more(librarian: TestClient) -> None:
    book = cards(librarian)[0]
    assert "Given" in act(librarian, f"/students/S0/books/{book}/give")
    loan = "SELECT checkout_date FROM checkouts WHERE student_id = 'S0' AND book_id = %s"
    assert rows(loan, book) == [(TODAY,)]
    assert rows("SELECT book_id, verdict FROM book_feedback") == [(book, "borrowed")]
    assert book not in cards(librarian)


def test_not_this_one_is_replaced_and_gone_for_good(librarian: TestClient) -> None:
    before = cards(librarian)
    for book, reason, verdict in zip(
        before,
        ("read_at_home", "too_hard", "not_interested"),
        ("hidden", "hidden", "disliked"),
        strict=False,
    ):
        act(librarian, f"/students/S0/books/{book}/aside", reason=reason)
        stored = "SELECT verdict, reason FROM book_feedback WHERE book_id = %s"
        assert rows(stored, book) == [(verdict, reason)]
    after = cards(librarian)
    assert len(after) == 5
    assert not set(before[:3]) & set(after)
    change("UPDATE book_feedback SET given_at = given_at - interval '2 years'")
    assert not set(before[:3]) & set(cards(librarian))


def test_without_a_reason_nothing_is_put_aside(librarian: TestClient) -> None:
    book = cards(librarian)[0]
    assert "Not done" in act(librarian, f"/students/S0/books/{book}/aside", reason="because")
    assert rows("SELECT FROM book_feedback") == []


def test_a_book_for_later_stands_below_and_comes_again_after_a_month(librarian: TestClient) -> None:
    book = cards(librarian)[0]
    act(librarian, f"/students/S0/books/{book}/later")
    assert book not in cards(librarian)
    assert "Wanted later" in librarian.get(PATH).text
    change("UPDATE book_feedback SET given_at = given_at - interval '31 days'")
    assert book in cards(librarian)
    act(librarian, f"/students/S0/books/{book}/give")
    assert "Wanted later" not in librarian.get(PATH).text


def test_filters_choose_levels_and_what_is_lent(librarian: TestClient) -> None:
    assert cards(librarian, f"{PATH}?level_min=9&level_max=") == []
    assert "No book is left that fits." in librarian.get(f"{PATH}?level_min=9").text
    book = cards(librarian)[0]
    change("UPDATE books SET copies_available = 0, copies_total = 2 WHERE book_id = %s", book)
    assert book not in cards(librarian)
    assert book in cards(librarian, f"{PATH}?lent=true")
    assert len(cards(librarian, f"{PATH}?different=true")) == 5
    assert librarian.get(f"{PATH}?level_min=high").status_code == 422


def test_neighbours_are_named_to_librarians_and_counted_for_teachers(
    teacher: TestClient,
) -> None:
    change("UPDATE students SET homeroom_teacher = 'Mx. Else' WHERE student_id <> 'S0'")
    text = teacher.get(PATH).text
    assert "readers in grade 4, who borrowed" in text
    assert not [number for number in range(1, 20) if name_of(number) in text]
    assert re.findall(r"/library/students/(\w+)", text) and set(
        re.findall(r'href="/library/students/(\w+)', text)
    ) <= {"S0"}


def test_a_librarian_reads_why_each_neighbour_is_one(librarian: TestClient) -> None:
    text = librarian.get(PATH).text
    assert re.search(r"Child \w\.</a></th>.*?both borrowed Book", text, re.DOTALL)


def test_no_genre_is_called_common_that_only_one_of_two_reads() -> None:
    def why(own: dict[str, float], theirs: dict[str, float]) -> str:
        child = Child("S0", None, 4, None, None, {"genre_shares": own}, fresh=True)
        return why_near(NearChild("S1", 0.5, None, 4, None, 4.0, theirs, [], []), child)

    assert why({"dogs": 0.9, "cats": 0.1}, {"cats": 0.5, "space": 0.5}) == "both read cats"
    assert "no genre" in why({"dogs": 1.0}, {"space": 1.0})


def test_a_child_of_whom_nothing_is_known_has_a_page_that_says_so(librarian: TestClient) -> None:
    change("INSERT INTO students (student_id) VALUES ('new')")
    text = librarian.get("/library/students/new").text
    for sentence in (
        "<h1>new</h1>",
        "the profile is being made",
        "There are no loans to go by yet.",
        "No loans yet.",
        "Nobody is known to read like this yet.",
        "No loans of books with a level in the last year.",
        "No loans of books with a genre yet.",
    ):
        assert sentence in text, sentence
    assert librarian.get("/library/students/nobody").status_code == 404
