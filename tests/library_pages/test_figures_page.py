"""The figures' page: what it counts, what it says where there is nothing, and its files."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

from starlette.testclient import TestClient

from tests.library import change, rows
from tests.library_pages.school import name_of
from tests.shelf import TODAY, book, feedback, loan, record, student
from workers.books.recommendation_weeks import list_weeks, store_weeks
from workers.library.figures import list_genres, loans_by_week, read_figures

PATH = "/library/figures"


def file(client: TestClient, name: str) -> list[dict[str, str]]:
    answer = client.get(f"{PATH}/{name}/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.csv"'
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def recommend_to(student_id: str, *book_ids: str, days_ago: int) -> None:
    """Let a list have been shown some days ago."""
    change(
        "INSERT INTO recommendations (recommendation_id, student_id, asked_at, book_ids, degraded,"
        " answer) VALUES (gen_random_uuid(), %s, %s, %s, '{}', '{}')",
        student_id,
        datetime.now(UTC) - timedelta(days=days_ago),
        list(book_ids),
    )


def test_loans_are_counted_by_week_and_none_is_left_out(librarian: TestClient) -> None:
    weeks = loans_by_week()
    assert len(weeks) == 52
    assert all((week.week.weekday(), week.loans >= week.children) == (0, True) for week in weeks)
    (total,) = rows("SELECT count(*) FROM checkouts")[0]
    assert sum(week.loans for week in weeks) == total
    text = librarian.get(PATH).text
    assert text.count('<rect class="bar main"') == 52
    assert f"{total} loans in the last 52 weeks" in text
    assert [int(row["loans"]) for row in file(librarian, "loans")] == [each.loans for each in weeks]
    assert weeks[-1].week <= TODAY


def test_the_catalogue_and_the_children_are_counted_by_their_last_loan(
    librarian: TestClient,
) -> None:
    change("DELETE FROM checkouts WHERE student_id IN ('S0', 'S1') OR book_id = 'B02'")
    long_ago = TODAY - timedelta(days=200)
    change("UPDATE checkouts SET checkout_date = %s WHERE student_id = 'S3'", long_ago)
    found = read_figures(5)
    used = "SELECT count(DISTINCT book_id) FROM checkouts WHERE checkout_date > current_date - %s"
    assert (found.catalogue.books, found.catalogue.ever) == (40, rows(used, 999)[0][0])
    assert found.catalogue.in_30_days == rows(used, 30)[0][0]
    assert found.catalogue.in_90_days == rows(used, 90)[0][0]
    assert (found.quiet.children, found.quiet.never, found.quiet.none_in_90_days) == (20, 2, 3)
    assert [each.student_id for each in found.waiting] == ["S0", "S1", "S3"]
    text = librarian.get(PATH).text
    assert f"{name_of(0)}</a>" in text
    assert "never borrowed" in text
    assert [row["student_id"] for row in file(librarian, "children")] == ["S0", "S1", "S3"]
    assert (
        next(
            row["loans_in_365_days"]
            for row in file(librarian, "catalogue")
            if row["book_id"] == "B02"
        )
        == "0"
    )


def test_a_genre_whose_few_books_are_borrowed_often_stands_out(librarian: TestClient) -> None:
    assert "No genre stands out" in librarian.get(PATH).text
    record(book(90, genre=["Comics ", "dogs"], copies_total=3, copies_available=1))
    record(*(loan(f"S{number}", 90, days_ago=3) for number in range(15)))
    text = librarian.get(PATH).text
    row = re.search(r'<th scope="row">comics</th>(.*?)</tr>', text, re.DOTALL)
    assert row is not None
    assert "1 of 3 available" in row[1]
    comics = next(each for each in list_genres() if each.genre == "comics")
    assert (comics.books, comics.loans, comics.loans_per_book) == (1, 15, 15)
    assert {row["genre"] for row in file(librarian, "genres")} == {"comics", "dogs", "space"}


def test_weeks_of_recommendations_are_counted_at_night_beside_the_most_borrowed(
    librarian: TestClient,
) -> None:
    assert "No week was counted yet." in librarian.get(PATH).text
    change("DELETE FROM recommendations")
    monday = TODAY - timedelta(days=TODAY.weekday() + 35)
    days = (TODAY - monday).days
    recommend_to("S0", "B31", "B33", days_ago=days)
    recommend_to("S2", "B35", days_ago=days)
    record(loan("S0", 31, days_ago=days - 3))
    recommend_to("S4", "B37", days_ago=0)
    assert store_weeks() == 2
    week, this = list_weeks(9)
    assert (week.week, week.students, week.given, week.borrowed) == (monday, 2, 3, 1)
    assert week.is_over
    assert not this.is_over
    text = librarian.get(PATH).text
    assert "1 of 3 recommended books (33\N{NARROW NO-BREAK SPACE}%) were borrowed" in text
    assert text.count('<span class="pill">not over</span>') == 1
    (first, _) = file(librarian, "recommendations")
    assert (first["recommended"], first["borrowed"], first["is_over"]) == ("3", "1", "true")


def test_a_week_whose_answers_are_gone_stays_as_it_was_counted(librarian: TestClient) -> None:
    change("DELETE FROM recommendations")
    change(
        "INSERT INTO recommendation_weeks (week, students, given, books, borrowed,"
        " popular_borrowed, coverage, head_share)"
        " VALUES (date_trunc('week', current_date - 300), 9, 90, 9, 8, 7, 1, 1)"
    )
    recommend_to("S0", "B31", days_ago=299)
    assert store_weeks() == 0
    assert [(week.given, week.borrowed) for week in list_weeks(9)] == [(90, 8)]


def test_an_empty_library_has_a_sentence_for_every_figure(librarian: TestClient) -> None:
    change("TRUNCATE students, books CASCADE")
    text = librarian.get(PATH).text
    for sentence in (
        "Nothing was borrowed in the last year.",
        "There are no books in the catalogue yet.",
        "There are no children yet.",
        "No week was counted yet.",
        "No book has a genre yet.",
    ):
        assert sentence in text, sentence
    assert "<rect" not in text
    for name in ("loans", "catalogue", "recommendations", "children", "genres"):
        assert len(file(librarian, name)) == (52 if name == "loans" else 0)
    record(student("new"), book(1), feedback("new", "B01", "later"))
    assert "Every child borrowed" not in librarian.get(PATH).text
