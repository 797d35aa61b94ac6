"""Figures in words: reading levels, trends, dates and shares as a librarian would say them."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import cast

from workers.library.child import Child, NearChild

# Grades within which a book's level is the reader's own.
JUST_RIGHT = 0.5
# Grades in thirty days above which a level moves; less is not seen from one loan to the next.
MOVES = 0.05
CERTAIN, LIKELY = 0.99, 0.4
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def count(number: int, what: str, several: str | None = None) -> str:
    """Say how many, small numbers in words.

    >>> count(1, "reader"), count(3, "child", "children"), count(12, "loan")
    ('one reader', 'three children', '12 loans')
    """
    named = NUMBERS[number] if 0 <= number < len(NUMBERS) else f"{number:,}"
    return f"{named} {what if number == 1 else several or what + 's'}"


def grade(value: int | None) -> str:
    """Name a grade.

    >>> grade(4), grade(0), grade(-1), grade(None)
    ('grade 4', 'kindergarten', 'pre-kindergarten', 'grade unknown')
    """
    if value is None:
        return "grade unknown"
    return {0: "kindergarten", -1: "pre-kindergarten"}.get(value, f"grade {value}")


def level(value: float | None) -> str:
    """Write a reading level in grades with one digit."""
    return "unknown" if value is None else f"{value:.1f}"


def trend(slope_per_30_days: float | None) -> str:
    """Say where a level is going.

    >>> trend(0.12), trend(-0.2), trend(0.01), trend(None)
    ('rising by 0.1 a month', 'falling by 0.2 a month', 'standing still', 'not known yet')
    """
    if slope_per_30_days is None:
        return "not known yet"
    if abs(slope_per_30_days) < MOVES:
        return "standing still"
    way = "rising" if slope_per_30_days > 0 else "falling"
    return f"{way} by {abs(slope_per_30_days):.1f} a month"


def confidence(share: float, method: str, checkouts: int) -> str:
    """Say how far a level can be trusted, and what it rests on.

    >>> confidence(1.0, "checkouts", 9)
    'certain: it rests on nine loans'
    >>> confidence(0.0, "grade_level", 0)
    'a guess from the grade: no loans yet'
    """
    guesses = {
        "prior_year_reading_score": "a guess from the reading score of last year",
        "grade_level": "a guess from the grade",
        "unknown": "nothing is known to guess from",
    }
    if method in guesses:
        return f"{guesses[method]}: no loans {'with a level ' if checkouts else ''}yet"
    sure = "certain" if share >= CERTAIN else "likely" if share >= LIKELY else "a first guess"
    return f"{sure}: it rests on {count(checkouts, 'loan')}"


def fit(book_level: float | None, reader_level: float | None) -> str:
    """Say how a book's level suits a reader.

    >>> fit(4.2, 4.0), fit(5.0, 4.0), fit(3.0, 4.0), fit(None, 4.0)
    ('just right', 'a stretch', 'easy', 'level unknown')
    """
    if book_level is None or reader_level is None:
        return "level unknown"
    if abs(book_level - reader_level) <= JUST_RIGHT:
        return "just right"
    return "a stretch" if book_level > reader_level else "easy"


def copies(available: int | None, total: int | None) -> str:
    """Say how many copies are there.

    >>> copies(2, 3), copies(0, 1), copies(None, None), copies(1, None)
    ('2 of 3 available', 'all lent', 'copies not counted', '1 available')
    """
    if available is None:
        return "copies not counted"
    if available == 0:
        return "all lent"
    return f"{available} available" if total is None else f"{available} of {total} available"


def day(value: date | None) -> str:
    """Write a date as people do.

    >>> day(date(2026, 3, 1))
    '1 Mar 2026'
    """
    return "\N{EN DASH}" if value is None else f"{value.day} {value:%b %Y}"


def ago(days: int | None) -> str:
    """Say how long ago a day was.

    >>> ago(0), ago(1), ago(12), ago(30), ago(100), ago(400), ago(None)
    ('today', 'yesterday', '12 days ago', '4 weeks ago', '3 months ago', 'a year ago', 'never')
    """
    if days is None:
        return "never"
    if days < 2:
        return "today" if days <= 0 else "yesterday"
    if days < 21:
        return f"{days} days ago"
    if days < 90:
        return f"{round(days / 7)} weeks ago"
    if days < 365:
        return f"{round(days / 30.4)} months ago"
    years = days // 365
    return "a year ago" if years == 1 else f"{years} years ago"


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def percent(share: float) -> str:
    """Write a share in [0, 1] as whole per cent."""
    return f"{share:.0%}".replace("%", "\N{NARROW NO-BREAK SPACE}%")


def why_near(near: NearChild, child: Child) -> str:
    """Say why a neighbour is one: books that both borrowed, else genres that both read."""
    if near.titles:
        more = len(near.shared_ids) - len(near.titles)
        rest = f" and {count(more, 'more', 'more')}" if more > 0 else ""
        return f"both borrowed {listed(near.titles)}{rest}"
    own = cast(Mapping[str, float], (child.profile or {}).get("genre_shares", {}))
    common = sorted(
        own.keys() & near.genre_shares.keys(),
        key=lambda genre: (-min(own[genre], near.genre_shares[genre]), genre),
    )
    if common:
        return f"both read {listed(common[:2])}"
    return "their profiles are alike, though no book and no genre is"


FILTERS = {
    "why_near": why_near,
    "count": count,
    "grade": grade,
    "level": level,
    "trend": trend,
    "copies": copies,
    "day": day,
    "ago": ago,
    "listed": listed,
    "percent": percent,
}
