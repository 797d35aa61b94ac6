"""The weights' page: a preview changes nothing, a change counts at once and can be taken back."""

import re

import pytest
from starlette.testclient import TestClient

from tests.console.session import log_in
from tests.library import change, rows
from tests.library_pages.school import act, name_of
from tests.shelf import loan, record
from workers.books.score import TERMS, TermWeights
from workers.books.term_weights import list_weights, weights_in_force
from workers.core.api_keys import Role

PATH = "/library/weights"
DEFAULT = {name: str(getattr(TermWeights(), name)) for name in TERMS}
# Only what the grade borrows counts.
OTHERS = dict.fromkeys(TERMS, "0") | {"trending": "1"}


def articles(client: TestClient, **asked: str) -> list[str]:
    """The parts of the page that show one child each."""
    text = client.get(PATH, params=asked).text
    return re.findall(r"<article.*?</article>", text, re.DOTALL)


def lists(article: str) -> list[list[str]]:
    """The ids of the books on each list of a child, in order."""
    return [
        re.findall(r'href="/library/books/(B\d+)"', each)
        for each in re.findall(r"<ol>(.*?)</ol>", article, re.DOTALL)
    ]


def test_three_children_who_borrowed_last_are_shown_as_their_own_pages_would(
    librarian: TestClient,
) -> None:
    record(loan("S5", 30, days_ago=0), loan("S6", 31, days_ago=0))
    shown = articles(librarian)
    assert len(shown) == 3
    assert all(
        name_of(number) in article for number, article in zip((5, 6), shown[:2], strict=True)
    )
    student_id = re.findall(r"/library/students/(S\d+)", shown[0])[0]
    own = librarian.get(f"/library/students/{student_id}").text
    assert lists(shown[0]) == [re.findall(r'<h3><a href="/library/books/(B\d+)"', own)]


def test_a_preview_stands_beside_what_is_in_force_and_changes_nothing(
    librarian: TestClient,
) -> None:
    before = lists(articles(librarian, first="S3")[0])[0]
    now, then = lists(articles(librarian, first="S3", **OTHERS)[0])
    assert now == before
    assert then != now
    text = librarian.get(PATH, params={"first": "S3", **OTHERS}).text
    assert text.count('<span class="pill">leaves</span>') >= len(set(now) - set(then))
    assert "Put these weights in force" in text
    assert weights_in_force() == TermWeights()
    assert rows("SELECT FROM term_weights") == []
    assert rows("SELECT FROM recommendations WHERE student_id = 'S3'") == []


def test_the_children_can_be_chosen(librarian: TestClient) -> None:
    shown = articles(librarian, first="S7", second="S2", third="S11")
    assert [re.findall(r"/library/students/(S\d+)", each)[0] for each in shown] == [
        "S7",
        "S2",
        "S11",
    ]
    assert len(articles(librarian, second="S2", third="S2")) == 2
    assert librarian.get(PATH, params={"first": "nobody"}).status_code == 404


def test_a_change_counts_in_the_next_list_and_comes_back(librarian: TestClient) -> None:
    _, then = lists(articles(librarian, first="S3", **OTHERS)[0])
    said = act(librarian, "/weights/change", in_force="0", **OTHERS)
    assert said == "Version 1 is in force: every list from now on is made with it."
    assert lists(articles(librarian, first="S3")[0]) == [then]
    (newest, _) = list_weights()
    assert (newest.changed_by, newest.weights["trending"]) == ("librarianer", 1)
    text = librarian.get(PATH).text
    assert "readers of the same books 0.3 → 0," in text
    assert "librarianer" in text
    assert act(librarian, "/weights/0/restore") == "Version 0 is in force again, as version 2."
    assert weights_in_force() == TermWeights()
    assert rows("SELECT action, key_name FROM audit ORDER BY act_id") == [
        ("POST /library/acts/weights/change", "librarianer"),
        ("POST /library/acts/weights/{version}/restore", "librarianer"),
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({**DEFAULT, "readers": "11"}, "needs a number from 0 to 10"),
        ({**DEFAULT, "readers": "nan"}, "needs a number from 0 to 10"),
        ({**DEFAULT, "readers": ""}, "needs a number from 0 to 10"),
        (dict.fromkeys(TERMS, "0"), "something has to count"),
        ({**DEFAULT, "in_force": "7"}, "somebody changed the weights meanwhile"),
    ],
)
def test_what_cannot_be_a_change_is_refused_in_words(
    librarian: TestClient, fields: dict[str, str], why: str
) -> None:
    said = act(librarian, "/weights/change", **{"in_force": "0", **fields})
    assert said.startswith("Not done: ")
    assert why in said
    assert rows("SELECT FROM term_weights") == []
    assert "there is no version 9" in act(librarian, "/weights/9/restore")


def test_weights_in_the_address_are_bounded(librarian: TestClient) -> None:
    for wrong in ("-1", "10.1", "inf", "much"):
        assert librarian.get(PATH, params={"readers": wrong}).status_code == 422
    assert "Nothing counts like this" in librarian.get(PATH, params=dict.fromkeys(TERMS, "0")).text
    assert "Put these weights" not in librarian.get(PATH, params={"readers": ""}).text


def test_a_library_without_loans_says_that_there_is_nobody_to_compare(
    librarian: TestClient,
) -> None:
    change("DELETE FROM checkouts")
    assert "Nobody has borrowed anything yet" in librarian.get(PATH).text


def test_the_weights_of_a_newer_version_are_what_a_teacher_never_sees(school: TestClient) -> None:
    log_in(school, Role.teacher)
    assert school.get(PATH).status_code == 403
