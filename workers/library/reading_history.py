"""How a child's reading has gone: its level month by month, its genres now and half a year ago."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from workers.core.settings import settings
from workers.library.child import BorrowedBook
from workers.students.profile import Loan, Profile, build_profile

# Days between the points of the line, and how far back it goes.
STEP_DAYS = 14
SPAN_DAYS = 364
HALF_A_YEAR_DAYS = 182
MAX_GENRES = 6


@dataclass(frozen=True)
class LevelPoint:
    """A level in grades on a day: the reader's, as the loans until then tell it, or a book's."""

    day: date
    level: float


@dataclass(frozen=True)
class GenreShare:
    """A genre's share of what is read, in [0, 1], now and half a year ago; None without loans."""

    genre: str
    now: float
    before: float | None


@dataclass(frozen=True)
class ReadingHistory:
    """A year of a child's reading, the oldest first."""

    since: date
    until: date
    levels: list[LevelPoint]
    books: list[LevelPoint]
    genres: list[GenreShare]


def read_history(loans: Sequence[BorrowedBook], today: date) -> ReadingHistory:
    """Say how reading went in the year until `today`: the profile as it was every two weeks."""
    since = today - timedelta(days=SPAN_DAYS)
    days = [since + timedelta(days=step) for step in range(0, SPAN_DAYS + 1, STEP_DAYS)]
    told = [_loan(each) for each in loans]
    levels = [
        LevelPoint(day, profile.reading_level.value)
        for day in days
        if (profile := _profile(told, day)) is not None
        and profile.reading_level.value is not None
        and profile.reading_level.method == "checkouts"
    ]
    books = [
        LevelPoint(loan.checkout_date, loan.reading_level)
        for loan in reversed(told)
        if loan.reading_level is not None and since <= loan.checkout_date <= today
    ]
    return ReadingHistory(since, today, levels, books, _genres(told, today))


def _genres(loans: Sequence[Loan], today: date) -> list[GenreShare]:
    """Compare the leading genres of now, and those of half a year ago that were lost since."""
    now = _profile(loans, today)
    if now is None:
        return []
    past = _profile(loans, today - timedelta(days=HALF_A_YEAR_DAYS))
    before = None if past is None else past.genre_shares
    names = dict.fromkeys([*now.genre_shares, *(before or ())])
    largest = sorted(
        names, key=lambda name: -max(now.genre_shares.get(name, 0), (before or {}).get(name, 0))
    )[:MAX_GENRES]
    return [
        GenreShare(
            name,
            now.genre_shares.get(name, 0.0),
            None if before is None else before.get(name, 0.0),
        )
        for name in sorted(largest, key=lambda name: -now.genre_shares.get(name, 0.0))
    ]


def _profile(loans: Sequence[Loan], day: date) -> Profile | None:
    """Build the profile as it was on a day; None before the first loan."""
    known = [loan for loan in loans if loan.checkout_date <= day]
    if not known:
        return None
    return build_profile(known, today=day, half_life_days=settings().half_life_days)


def _loan(loan: BorrowedBook) -> Loan:
    return Loan(
        book_id=loan.book_id,
        checkout_date=loan.checkout_date,
        return_date=loan.return_date,
        title=loan.title,
        author=loan.author,
        genre=loan.genre,
        keywords=loan.keywords,
        reading_level=loan.reading_level,
        difficulty_band=loan.difficulty_band,
    )
