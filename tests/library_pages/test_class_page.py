"""A class's page: children and their next books, the order they stand in, groups, slips, a file."""

import csv
import io
import re

import pytest
from starlette.testclient import TestClient

from tests.api.test_access import HOMEROOM
from tests.library import change
from tests.library_pages.school import CLASS, name_of
from tests.shelf import TODAY, loan, record
from workers.library.classroom import ChildInClass, Order, in_order, list_children
from workers.library.reading_groups import group_children


def children(client: TestClient, query: str = "") -> list[str]:
    """The children in the table, in order."""
    table = client.get(f"{CLASS}{query}").text.partition("<tbody>")[2].partition("</tbody>")[0]
    return re.findall(r'/library/students/(S\d+)"', table)


def test_every_child_stands_there_with_level_last_loan_and_a_next_book(
    teacher: TestClient,
) -> None:
    text = teacher.get(CLASS).text
    assert children(teacher) == [f"S{number}" for number in range(0, 20, 2)]
    assert all(name_of(number) in text for number in range(0, 20, 2))
    assert name_of(1) not in text
    table = text.partition("<tbody>")[2].partition("</tbody>")[0]
    assert len(re.findall(r'class="next"><a href="/library/books/B\d+"', table)) == 10
    assert "Ten children" in text


def test_the_next_book_is_the_first_of_the_childs_own_page(teacher: TestClient) -> None:
    text = teacher.get(CLASS).text
    for student_id in ("S0", "S6"):
        (found,) = re.findall(
            rf'/library/students/{student_id}".*?class="next"><a href="/library/books/(B\d+)"',
            text,
            re.DOTALL,
        )[:1]
        own = teacher.get(f"/library/students/{student_id}").text
        assert found == re.findall(r'<h3><a href="/library/books/(B\d+)"', own)[0]


def test_who_has_borrowed_nothing_for_longest_comes_first(teacher: TestClient) -> None:
    change("DELETE FROM checkouts WHERE student_id = 'S8'")
    record(loan("S4", 39, days_ago=0))
    found = children(teacher, "?sort=quiet")
    assert (found[0], found[-1]) == ("S8", "S4")
    assert children(teacher, "?sort=loans")[0] != "S8"
    assert teacher.get(f"{CLASS}?sort=shoe_size").status_code == 422


def child(name: str, slope: float | None) -> ChildInClass:
    return ChildInClass(name, None, 4, 4.0, slope, {}, 1, None, 1, 1)


def test_levels_that_stand_still_come_before_those_that_move() -> None:
    some = [child("a", 0.3), child("b", None), child("c", -0.01), child("d", -0.2)]
    assert [each.student_id for each in in_order(some, Order.still)] == ["c", "d", "a", "b"]
    assert [each.stands_still for each in some] == [False, False, True, False]


def test_books_for_the_whole_class_have_the_copies_that_were_asked_for(
    teacher: TestClient,
) -> None:
    change("UPDATE books SET copies_total = 1, copies_available = 1")
    change("UPDATE books SET copies_total = 12, copies_available = 11 WHERE book_id >= 'B30'")
    text = teacher.get(f"{CLASS}?together=true&copies=10").text
    section = text.partition('id="together"')[2].partition("</section>")[0]
    found = re.findall(r'<h3><a href="/library/books/(B\d+)"', section)
    assert found
    assert all(book >= "B30" for book in found)
    assert "suits 10 of 10" in section
    text = teacher.get(f"{CLASS}?together=true&copies=50").text
    assert "No book suits enough of the class." in text


def test_reading_groups_take_every_child_once_three_to_five_together(
    teacher: TestClient,
) -> None:
    grouping = group_children(HOMEROOM, list_children(HOMEROOM))
    sizes = [len(group.children) for group in grouping.groups]
    assert sum(sizes) == 10
    assert all(3 <= size <= 5 for size in sizes)
    assert len({each.student_id for group in grouping.groups for each in group.children}) == 10
    text = teacher.get(f"{CLASS}?groups=true").text
    assert "Group 1" in text
    assert "They read dogs" in text
    change("DELETE FROM student_embeddings")
    assert "Too few children" in teacher.get(f"{CLASS}?groups=true").text


def test_a_slip_per_child_names_three_books(teacher: TestClient) -> None:
    text = teacher.get(f"{CLASS}/slips").text
    slips = re.findall(r'<article class="slip">(.*?)</article>', text, re.DOTALL)
    assert len(slips) == 10
    assert all(slip.count("<li>") == 3 for slip in slips)
    assert not [number for number in range(1, 20, 2) if name_of(number) in text]


def test_the_file_has_a_row_per_child_and_no_formula(teacher: TestClient) -> None:
    change("UPDATE students SET display_name = '=1+1' WHERE student_id = 'S0'")
    answer = teacher.get(f"{CLASS}/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="class.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 10
    assert {row["student_id"]: row["name"] for row in rows}["S0"] == "'=1+1"
    assert all(row["next_book"] and row["why"] for row in rows)


def test_a_class_without_loans_has_a_page_without_empty_plots(librarian: TestClient) -> None:
    change("INSERT INTO students (student_id, homeroom_teacher) VALUES ('new', 'Ms. New')")
    text = librarian.get("/library/classes/Ms.%20New?together=true&groups=true").text
    for sentence in ("No level is known yet.", "No loans of books with a genre yet."):
        assert sentence in text
    assert "One child;" in text
    assert librarian.get("/library/classes/nobody").status_code == 404


@pytest.mark.parametrize("order", list(Order))
def test_every_order_keeps_all_children(teacher: TestClient, order: Order) -> None:
    assert sorted(children(teacher, f"?sort={order}")) == sorted(
        f"S{number}" for number in range(0, 20, 2)
    )


def test_loans_of_today_count_within_thirty_days(teacher: TestClient) -> None:
    change("UPDATE checkouts SET checkout_date = %s", TODAY.replace(year=TODAY.year - 1))
    assert "none of them borrowed" in teacher.get(CLASS).text
    record(loan("S0", 39, days_ago=0))
    assert "one of them borrowed" in teacher.get(CLASS).text
