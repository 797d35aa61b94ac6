"""The library's first page: classes, lists of books, freshness in words, and the search."""

from starlette.testclient import TestClient

from tests.console.session import log_in
from tests.embeddings_server import EmbeddingsServer
from tests.library import all_fresh, change
from tests.library_pages.school import CLASS, OTHER, OTHER_CLASS, name_of
from tests.shelf import loan, record
from workers.core.api_keys import Role


def test_classes_say_how_many_of_their_children_borrowed_lately(librarian: TestClient) -> None:
    text = librarian.get("/library").text
    assert CLASS in text
    assert OTHER_CLASS in text
    assert 'max="10" value="0" aria-label="Children of Ms. Abara who borrowed' in text
    record(loan("S0", 39, days_ago=0), loan("S0", 38, days_ago=29), loan("S1", 39, days_ago=30))
    text = librarian.get("/library").text
    assert 'max="10" value="1" aria-label="Children of Ms. Abara who borrowed' in text
    change("UPDATE students SET homeroom_teacher = NULL WHERE student_id = 'S1'")
    assert "One child is in no homeroom" in librarian.get("/library").text


def test_a_teacher_sees_and_finds_their_own_alone(teacher: TestClient) -> None:
    text = teacher.get("/library").text
    assert CLASS in text
    assert OTHER not in text
    assert name_of(2) in teacher.get("/library?q=child").text
    assert name_of(1) not in teacher.get("/library?q=child").text
    assert "/library/students/S1" not in teacher.get("/library?q=S1").text
    log_in(teacher, Role.librarian)
    assert name_of(1) in teacher.get("/library?q=child").text
    assert "/library/students/S1" in teacher.get("/library?q=S1").text


def test_a_search_finds_books_with_why_and_says_when_there_is_nothing(
    librarian: TestClient,
) -> None:
    text = librarian.get("/library?q=Book+7").text
    assert "/library/books/B07" in text
    assert "Holds “" in text
    change("DELETE FROM books")
    text = librarian.get("/library?q=qqqq").text
    assert "Nothing found for “qqqq”." in text
    assert librarian.get(f"/library?q={'x' * 201}").status_code == 422


def test_freshness_is_said_in_words(librarian: TestClient) -> None:
    all_fresh()
    assert "Everything here is fresh" in librarian.get("/library").text
    change(
        "UPDATE freshness SET wanted = done + 1, stale_since = now()"
        " WHERE kind = 'student_embedding' AND key IN ('S1', 'S2')"
    )
    assert "Two levels are being worked in." in librarian.get("/library").text
    change("UPDATE freshness SET stale_since = now() - interval '9 days' WHERE key = 'S1'")
    assert "waiting for longer than they should" in librarian.get("/library").text
    change("UPDATE freshness SET dead_at = now() WHERE key = 'S1' AND kind = 'student_embedding'")
    text = librarian.get("/library").text
    assert "One level could not be worked out: the operator knows more." in text


def test_lists_hold_new_books_and_those_nobody_borrowed_for_a_year(librarian: TestClient) -> None:
    change("UPDATE books SET created_at = now() - interval '400 days'")
    change("UPDATE books SET created_at = now() WHERE book_id = 'B39'")
    text = librarian.get("/library").text
    arrivals = text.partition("New arrivals")[2].partition("</section>")[0]
    assert arrivals.count("<li>") == 1
    assert "Book 39" in arrivals
    unborrowed = text.partition("Not borrowed for a year")[2].partition("</section>")[0]
    assert "8 of 15" in unborrowed, "24 of 40 are borrowed, and one is new"
    change("DELETE FROM books")
    text = librarian.get("/library").text
    assert "Nothing came in the last 60 days." in text
    assert "Every book that has been here for a year was borrowed in it." in text


def test_an_empty_library_says_what_to_do(keyed: TestClient) -> None:
    log_in(keyed, Role.librarian)
    assert "No classes yet." in keyed.get("/library").text


def test_what_may_be_a_childs_name_goes_to_no_provider_whoever_asks(
    embeddings_server: EmbeddingsServer, teacher: TestClient
) -> None:
    before = len(embeddings_server.requests)
    for n in (1, 2):  # of another class, and of one's own
        teacher.get(f"/library?q={name_of(n)}")
    assert len(embeddings_server.requests) == before
    teacher.get("/library?q=dragons")
    assert len(embeddings_server.requests) == before + 1
