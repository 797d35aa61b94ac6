"""The profile against values computed by hand, and what holds for all loans."""

import math
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import workers
from workers.students.profile import (
    BOOKS_IN_TEXT,
    TEXT_MAX_CHARACTERS,
    Loan,
    Profile,
    band_of_level,
    build_profile,
    decay_weight,
    render_text,
)

pytestmark = pytest.mark.slow

TODAY = date(2026, 3, 31)
NAMES = st.sampled_from(["fantasy", "Mystery", " science ", "history", "poetry", "humor", "art"])


def loan(days_ago: float = 0, book_id: str = "B1", **facts: Any) -> Loan:
    blank = Loan(
        book_id=book_id,
        checkout_date=TODAY - timedelta(days=days_ago),
        return_date=None,
        title=None,
        author=None,
        genre=[],
        keywords=[],
        reading_level=None,
        difficulty_band=None,
    )
    return replace(blank, **facts)


def profile(loans: Sequence[Loan], **facts: Any) -> Profile:
    return build_profile(loans, **{"today": TODAY, "half_life_days": 30, **facts})


@st.composite
def some_loans(draw: st.DrawFn, youngest: int = -400, oldest: int = 20_000) -> list[Loan]:
    loans = []
    for number in range(draw(st.integers(0, 25))):
        checkout_date = TODAY - timedelta(days=draw(st.integers(youngest, oldest)))
        length = draw(st.none() | st.integers(0, 60))
        loans.append(
            Loan(
                book_id=f"B{draw(st.integers(0, 8))}",
                checkout_date=checkout_date,
                return_date=None if length is None else checkout_date + timedelta(days=length),
                title=draw(st.none() | st.just(f"Title {number}")),
                author=draw(st.none() | st.just("A. Author")),
                genre=draw(st.lists(NAMES, max_size=4)),
                keywords=draw(st.lists(st.sampled_from(["dragon", "clue"]), max_size=2)),
                reading_level=draw(st.none() | st.floats(0, 20)),
                difficulty_band=draw(st.none() | st.sampled_from(["beginner", "high_school"])),
            )
        )
    books = {each.book_id: each for each in loans}
    return [
        replace(books[each.book_id], checkout_date=each.checkout_date, return_date=each.return_date)
        for each in loans
    ]


@pytest.mark.parametrize(
    ("days", "weight"),
    [(0, 1.0), (30, 0.5), (15, 0.5**0.5), (90, 0.125), (-1, 1.0), (0.3, 0.5**0.01)],
)
def test_a_weight_halves_every_half_life_and_is_1_from_today_on(days: float, weight: float) -> None:
    assert decay_weight(days, 30) == pytest.approx(weight, rel=1e-12)


@pytest.mark.parametrize(
    ("level", "band"),
    [
        (0, "beginner"),
        (2, "beginner"),
        (2.001, "early_elementary"),
        (4, "early_elementary"),
        (4.001, "late_elementary"),
        (6, "late_elementary"),
        (6.001, "middle_school"),
        (8, "middle_school"),
        (8.001, "high_school"),
        (20, "high_school"),
    ],
)
def test_a_level_belongs_to_the_band_up_to_whose_bound_it_reaches(level: float, band: str) -> None:
    assert band_of_level(level) == band


def test_level_and_slope_are_weighted_by_half_life() -> None:
    # Weights 1, 1/2, 1/4 at days 0, -30, -60 with levels 5, 4, 2:
    # mean (5 + 2 + 0.5) / 1.75 = 30/7; mean day -30 * (0.5 + 0.5) / 1.75 = -120/7.
    # Slope per day, by weighted least squares, from the same three points.
    weights, days, levels = [1, 0.5, 0.25], [0, -30, -60], [5, 4, 2]
    mean_day, mean_level = -120 / 7, 30 / 7
    lean = sum(
        w * (d - mean_day) * (level - mean_level)
        for w, d, level in zip(weights, days, levels, strict=True)
    )
    spread = sum(w * (d - mean_day) ** 2 for w, d in zip(weights, days, strict=True))
    level = profile(
        [loan(0, reading_level=5), loan(30, reading_level=4), loan(60, reading_level=2)]
    ).reading_level
    assert level.value == pytest.approx(30 / 7)
    assert level.slope_per_30_days == pytest.approx(30 * lean / spread)
    assert level.slope_per_30_days == pytest.approx(18 / 13)
    assert level.confidence == pytest.approx(0.6)
    assert level.method == "checkouts"


def test_two_loans_have_the_slope_of_the_line_between_them() -> None:
    level = profile([loan(0, reading_level=4.5), loan(60, reading_level=3.5)]).reading_level
    assert level.slope_per_30_days == pytest.approx(0.5)


def test_loans_of_one_day_have_no_slope() -> None:
    level = profile([loan(3, reading_level=4), loan(3, reading_level=2)]).reading_level
    assert level.value == pytest.approx(3)
    assert level.slope_per_30_days is None


@pytest.mark.parametrize(("count", "confidence"), [(1, 0.2), (4, 0.8), (5, 1.0), (9, 1.0)])
def test_confidence_grows_to_1_with_five_loans_of_known_level(
    count: int, confidence: float
) -> None:
    loans = [loan(n, reading_level=3) for n in range(count)] + [loan(0), loan(1)]
    assert profile(loans).reading_level.confidence == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("facts", "value", "method"),
    [
        ({"prior_year_reading_score": 3.4, "grade_level": 5}, 3.4, "prior_year_reading_score"),
        ({"prior_year_reading_score": 87, "grade_level": 5}, 5.0, "grade_level"),
        ({"grade_level": 5}, 5.0, "grade_level"),
        ({"grade_level": 0}, 0.0, "grade_level"),
        ({"prior_year_reading_score": 0.0}, 0.0, "prior_year_reading_score"),
        ({}, None, "unknown"),
    ],
)
def test_without_known_books_the_level_falls_back(
    facts: dict[str, float], value: float | None, method: str
) -> None:
    level = profile([loan(2)], **facts).reading_level
    assert (level.value, level.slope_per_30_days, level.confidence) == (value, None, 0.0)
    assert level.method == method


def test_a_books_own_band_wins_over_the_one_of_its_level() -> None:
    shares = profile(
        [
            loan(0, reading_level=9, difficulty_band="beginner"),
            loan(0, reading_level=9),
            loan(30, difficulty_band="beginner"),
            loan(0),
        ]
    ).band_shares
    assert shares == pytest.approx({"beginner": 0.6, "high_school": 0.4})  # 1.5 and 1 of 2.5


def test_genre_shares_divide_a_loans_weight_among_its_genres() -> None:
    built = profile([loan(0, genre=["Fantasy", "fantasy ", "humor"]), loan(30, genre=["humor"])])
    assert built.genre_shares == pytest.approx({"humor": 2 / 3, "fantasy": 1 / 3})
    assert list(built.genre_shares) == ["humor", "fantasy"]
    expected = -(2 / 3 * math.log2(2 / 3) + 1 / 3 * math.log2(1 / 3))
    assert built.genre_entropy_bits == pytest.approx(expected)


def test_entropy_is_0_for_one_genre_and_3_bits_for_eight_equal_ones() -> None:
    assert profile([loan(0, genre=["art"])]).genre_entropy_bits == 0
    eight = [loan(0, genre=[f"genre {n}"]) for n in range(8)]
    assert profile(eight).genre_entropy_bits == pytest.approx(3)


def test_habits_count_every_loan_alike() -> None:
    built = profile(
        [
            loan(1, return_date=TODAY),  # Monday 2026-03-30, 1 day
            loan(8, return_date=TODAY),  # Monday 2026-03-23, 8 days
            loan(31, return_date=TODAY - timedelta(days=27)),  # Saturday 2026-02-28, 4 days
            loan(90),  # Wednesday 2025-12-31, still out
        ]
    )
    assert built.weekday_shares == {"monday": 0.5, "saturday": 0.25, "wednesday": 0.25}
    assert built.month_shares == {"03": 0.5, "02": 0.25, "12": 0.25}
    assert built.checkouts_per_30_days == pytest.approx(4 * 30 / 90)
    assert built.median_loan_days == 4
    assert built.days_since_last_checkout == 1


def test_someone_who_began_lately_is_counted_over_30_days() -> None:
    assert profile([loan(2), loan(1), loan(0)]).checkouts_per_30_days == 3


def test_no_loans_is_a_profile_too() -> None:
    built = profile([])
    assert (built.checkouts, built.checkouts_per_30_days) == (0, 0)
    assert built.median_loan_days is built.days_since_last_checkout is None
    assert built.genre_shares == built.band_shares == built.weekday_shares == {}
    assert render_text(built) == "Reading level unknown."


def test_the_text_is_rendered_from_the_profile() -> None:
    built = profile(
        [
            loan(0, "B1", title="New", author="Ann", genre=["fantasy"], reading_level=4.2),
            loan(30, "B2", title="Old", genre=["science_fiction"], keywords=["robot", "moon"]),
            loan(90, "B3"),
        ]
    )
    assert render_text(built).splitlines() == [
        "Reading level 4.2, late elementary.",
        "Bands: late elementary 100%.",
        "Genres: fantasy 67%, science fiction 33%.",
        "New by Ann. fantasy.",
        "Old. science_fiction, robot, moon.",
    ]


def test_the_text_names_the_books_of_most_weight_first_and_no_more_than_twelve() -> None:
    loans = [loan(n, f"B{n:02}", title=f"Title {n:02}") for n in range(20)]
    # Half a weight twice is more than what any other book has but the newest.
    loans += [loan(30, "B99", title="Twice"), loan(30, "B99", title="Twice")]
    titles = render_text(profile(loans)).splitlines()[1:]
    assert titles[:3] == ["Title 00.", "Twice.", "Title 01."]
    assert len(titles) == BOOKS_IN_TEXT


def test_the_text_ends_at_its_limit() -> None:
    text = render_text(profile([loan(0, title="long " * 3000)]))
    assert len(text) == TEXT_MAX_CHARACTERS


@given(some_loans())
def test_shares_sum_to_1_and_entropy_stays_in_its_bounds(loans: list[Loan]) -> None:
    built = profile(loans)
    for shares in (
        built.band_shares,
        built.genre_shares,
        built.weekday_shares,
        built.month_shares,
    ):
        assert not shares or math.fsum(shares.values()) == pytest.approx(1)
        assert all(0 < share <= 1 + 1e-12 for share in shares.values())
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
    most = math.log2(max(len(built.genre_shares), 1))
    assert 0 <= built.genre_entropy_bits <= most + 1e-9


@given(some_loans())
def test_the_level_stays_between_the_lowest_and_the_highest_book(loans: list[Loan]) -> None:
    level = profile(loans).reading_level
    levels = [each.reading_level for each in loans if each.reading_level is not None]
    if level.method == "checkouts":
        assert level.value is not None
        assert min(levels) - 1e-6 <= level.value <= max(levels) + 1e-6
        assert level.slope_per_30_days is None or math.isfinite(level.slope_per_30_days)
    assert 0 <= level.confidence <= 1


@given(some_loans(), st.randoms(use_true_random=False))
def test_the_order_of_loans_does_not_matter(loans: list[Loan], chance: random.Random) -> None:
    shuffled = list(loans)
    chance.shuffle(shuffled)
    assert profile(shuffled).as_json() == profile(loans).as_json()
    assert render_text(profile(shuffled)) == render_text(profile(loans))


@given(some_loans(youngest=0), st.integers(1, 5000))
def test_the_text_of_past_loans_is_the_same_on_a_later_day(loans: list[Loan], days: int) -> None:
    later = profile(loans, today=TODAY + timedelta(days=days))
    assert render_text(later) == render_text(profile(loans))


@given(some_loans(youngest=-5000, oldest=-1))
def test_future_loans_count_as_todays(loans: list[Loan]) -> None:
    built = profile(loans)
    todays = profile([replace(each, checkout_date=TODAY, return_date=None) for each in loans])
    for name in ("genre_shares", "band_shares", "reading_level", "checkouts_per_30_days"):
        assert getattr(built, name) == getattr(todays, name)
    assert built.days_since_last_checkout == (0 if loans else None)
    assert render_text(built) == render_text(todays)


@given(st.integers(1, 700_000), st.floats(0.01, 1000))
def test_very_old_loans_keep_their_shares(days: int, half_life_days: float) -> None:
    old = date(1, 1, 1)
    built = profile(
        [
            replace(loan(genre=["art"], reading_level=3.0), checkout_date=old),
            replace(loan(genre=["humor"], reading_level=5.0), checkout_date=old),
        ],
        today=old + timedelta(days=days),
        half_life_days=half_life_days,
    )
    assert built.genre_shares == {"art": 0.5, "humor": 0.5}
    assert built.reading_level.value == pytest.approx(4)


def test_profile_and_text_are_the_same_in_processes_with_different_hash_seeds() -> None:
    code = """
from datetime import date
from workers.students.profile import Loan, build_profile, render_text
genres = [["a", "b", "c"], ["c", "d", "e", "f", "g"], ["b", "g", "h"], ["e", "a", "h", "i", "j"]]
loans = [Loan(str(n), date(2026, 1, 1 + 3 * n), None, None, None, genre, [], None, None)
         for n, genre in enumerate(genres)]
profile = build_profile(loans, today=date(2026, 2, 1), half_life_days=30)
print(profile.as_json(), render_text(profile))
"""
    root = Path(workers.__file__).parents[1]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(root)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(1, 9)
    }
    assert len(outputs) == 1
