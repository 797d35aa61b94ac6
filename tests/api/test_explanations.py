"""Where a book stands for a student, or which rule keeps it out: each rule by what causes it."""

from collections.abc import Mapping, Sequence

import pytest
from starlette.testclient import TestClient

from tests.shelf import book, feedback, lend, loan, record
from workers.books.exclusions import Rule

PATH = "/students/S1/recommendations"

# What happens, and what is asked of the list that the book is looked for in.
CAUSES: Mapping[Rule, tuple[Sequence[dict[str, object]], str]] = {
    Rule.HIDDEN: ([feedback("S1", "B60", "hidden")], ""),
    Rule.DISLIKED: ([feedback("S1", "B60", "disliked")], ""),
    Rule.SEEN: ([loan("S1", 60)], ""),
    Rule.OUT: ([book(60, copies_total=1, copies_available=0)], ""),
    Rule.LEVEL: ([], "&level_min=6"),
    Rule.GENRES: ([], "&genre=war,space"),
    Rule.LANGUAGE: ([book(60, language="sv")], "&language=en"),
    Rule.SHOWN: ([feedback("S1", "B60", "shown")], ""),
    # More of one author, or of one series, than a list has places for.
    Rule.AUTHOR: (
        [
            book(number, author="One", title=f"Picked {number}", genre=["dogs"])
            for number in (60, 61, 62)
        ]
        + [{"event_type": "staff_pick_added", "book_id": f"B{n}"} for n in (60, 61, 62)],
        "",
    ),
    Rule.SERIES: (
        [book(number, author=f"A{number}", series="Long") for number in (60, 61)]
        + [{"event_type": "staff_pick_added", "book_id": f"B{n}"} for n in (60, 61)],
        "",
    ),
}


@pytest.fixture
def library(stores: None) -> None:
    """Forty books, twenty readers, a model; and a book about dogs that has just come."""
    lend()
    record(book(60))


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule in CAUSES])
def test_each_rule_that_keeps_a_book_out_is_named(
    library: None, client: TestClient, rule: Rule
) -> None:
    happened, asked = CAUSES[rule]
    record(*happened)
    books = ["B60"] if rule not in (Rule.AUTHOR, Rule.SERIES) else ["B60", "B61", "B62"]
    found = {}
    for book_id in books:
        answer = client.get(f"{PATH}/explain?book_id={book_id}{asked}")
        if answer.status_code == 200:
            found[book_id] = answer.json()
    out = [each for each in found.values() if each["rule"] == rule]
    assert len(out) == 1, found
    assert not out[0]["listed"]
    # The list says the same.
    listed = client.get(PATH).json()
    if not asked:
        assert out[0]["book_id"] not in [item["book_id"] for item in listed["items"]]
        assert listed["excluded_counts"][rule] >= 1


def test_rules_without_a_case_here_are_those_that_explain_cannot_meet() -> None:
    # A deleted book is unknown, and a request's own ids are its own.
    assert set(Rule) - set(CAUSES) == {Rule.DELETED, Rule.EXCLUDED}


def test_a_deleted_book_is_404(library: None, client: TestClient) -> None:
    assert client.get(f"{PATH}/explain?book_id=B60").json()["rule"] is None
    record({"event_type": "book_deleted", "book_id": "B60"})
    answer = client.get(f"{PATH}/explain?book_id=B60")
    assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_book")


def test_what_no_rule_keeps_out_has_a_rank_and_parts_that_sum(
    library: None, client: TestClient
) -> None:
    listed = client.get(f"{PATH}?limit=40").json()["items"]
    explained = [
        client.get(f"{PATH}/explain?book_id={item['book_id']}").json() for item in listed[::4]
    ]
    assert all(each["rule"] in (None, "author", "level") for each in explained)
    for item, each in zip(listed[::4], explained, strict=True):
        assert each["parts"] == item["parts"]
        assert each["score"] == pytest.approx(sum(each["parts"].values()), abs=1e-6)
        assert 1 <= each["rank"] <= each["of"]
        assert each["reasons"]
    by_rank = sorted(explained, key=lambda each: each["rank"])
    assert [each["score"] for each in by_rank] == sorted(
        (each["score"] for each in by_rank), reverse=True
    )


def test_the_ends_of_a_level_filter_may_come_in_any_order(
    library: None, client: TestClient
) -> None:
    ends = [
        client.get(f"{PATH}/explain?book_id=B60{asked}").json()
        for asked in ("&level_min=1&level_max=6", "&level_min=6&level_max=1")
    ]
    assert ends[0] == ends[1]
