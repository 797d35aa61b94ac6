"""A student's reading profile: pure arithmetic over their loans, and the text that is embedded."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from statistics import median

# Stored with each profile; raise it when a field changes its meaning.
PROFILE_VERSION = 1
# Books that the embedded text names, those with the most weight. With more of them a text says
# more of what was read long ago, and costs the provider more tokens.
BOOKS_IN_TEXT = 12
# Longer texts are cut: a provider refuses what is longer than its model reads (8,191 tokens).
TEXT_MAX_CHARACTERS = 6000
# The highest score that is taken for a reading level in grades; scores of other tests are larger.
MAX_GRADE = 20
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Upper bounds of reading level, in grades; above the last one is high_school.
BANDS = ((2, "beginner"), (4, "early_elementary"), (6, "late_elementary"), (8, "middle_school"))


@dataclass(frozen=True)
class Loan:
    """One checkout with what is known of its book; `reading_level` in grades."""

    book_id: str
    checkout_date: date
    return_date: date | None
    title: str | None
    author: str | None
    genre: Sequence[str]
    keywords: Sequence[str]
    reading_level: float | None
    difficulty_band: str | None


@dataclass(frozen=True)
class ReadingLevel:
    """`value` in grades, `slope_per_30_days` in grades, `confidence` in [0, 1].

    `method` says where the value comes from: checkouts, prior_year_reading_score, grade_level
    or unknown.
    """

    value: float | None
    slope_per_30_days: float | None
    confidence: float
    method: str


@dataclass(frozen=True)
class RecentBook:
    """A borrowed book as the embedded text names it."""

    title: str
    author: str | None
    genre: Sequence[str]
    keywords: Sequence[str]


@dataclass(frozen=True)
class Profile:
    """What a student's loans say of them; shares are in [0, 1] and sum to 1 where there are any.

    Band, genre and level figures are weighted by `0.5 ** (days / half_life_days)`; weekday and
    month shares count every loan alike. `genre_entropy_bits` is Shannon's entropy of the genre
    shares: 0 for one genre, 3 for eight equal ones.
    """

    version: int
    as_of: date
    half_life_days: float
    checkouts: int
    reading_level: ReadingLevel
    band_shares: Mapping[str, float]
    genre_shares: Mapping[str, float]
    genre_entropy_bits: float
    weekday_shares: Mapping[str, float]
    month_shares: Mapping[str, float]
    checkouts_per_30_days: float
    median_loan_days: float | None
    days_since_last_checkout: int | None
    recent_books: Sequence[RecentBook]

    def as_json(self) -> dict[str, object]:
        """Return the profile as it is stored and shown."""
        return {**asdict(self), "as_of": self.as_of.isoformat()}


def decay_weight(days: float, half_life_days: float) -> float:
    """Compute `0.5 ** (days / half_life_days)` in (0, 1]; a date in the future counts as today.

    >>> decay_weight(30, 30), decay_weight(-5, 30)
    (0.5, 1.0)
    """
    return float(0.5 ** (max(days, 0.0) / half_life_days))


def band_of_level(level: float) -> str:
    """Name the difficulty band of a reading level in grades.

    >>> band_of_level(4.0), band_of_level(4.1), band_of_level(9)
    ('early_elementary', 'late_elementary', 'high_school')
    """
    return next((band for bound, band in BANDS if level <= bound), "high_school")


def build_profile(
    loans: Sequence[Loan],
    *,
    today: date,
    half_life_days: float,
    grade_level: int | None = None,
    prior_year_reading_score: float | None = None,
) -> Profile:
    """Build the profile of a student as of `today`, from all their loans in any order."""
    newest = min((_age_days(loan, today) for loan in loans), default=0)
    # Shares do not change when all weights are divided by the largest one, and this way the
    # weights of someone who last read decades ago do not all round to zero.
    weights = [decay_weight(_age_days(loan, today) - newest, half_life_days) for loan in loans]
    genre_shares = _shares(
        (genre, weight / len(names))
        for loan, weight in zip(loans, weights, strict=True)
        for names in [{name.strip().lower() for name in loan.genre}]
        for genre in names
    )
    return Profile(
        version=PROFILE_VERSION,
        as_of=today,
        half_life_days=half_life_days,
        checkouts=len(loans),
        reading_level=_reading_level(loans, weights, today, grade_level, prior_year_reading_score),
        band_shares=_shares(
            (band, weight)
            for loan, weight in zip(loans, weights, strict=True)
            if (band := _band(loan)) is not None
        ),
        genre_shares=genre_shares,
        genre_entropy_bits=-sum(share * math.log2(share) for share in genre_shares.values()) + 0.0,
        weekday_shares=_shares((WEEKDAYS[loan.checkout_date.weekday()], 1.0) for loan in loans),
        month_shares=_shares((f"{loan.checkout_date.month:02}", 1.0) for loan in loans),
        checkouts_per_30_days=_checkouts_per_30_days(loans, today),
        median_loan_days=_median_loan_days(loans),
        days_since_last_checkout=newest if loans else None,
        recent_books=_recent_books(loans, weights),
    )


def render_text(profile: Profile) -> str:
    """Write the text that is embedded: reading habits only, nothing that describes a person.

    It depends on the loans and not on the day, so that a profile rebuilt tomorrow costs nothing.
    """
    level = profile.reading_level.value
    lines = [
        "Reading level unknown."
        if level is None
        else f"Reading level {level:.1f}, {_words(band_of_level(level))}.",
        _share_line("Bands", profile.band_shares),
        _share_line("Genres", profile.genre_shares),
        *map(_book_line, profile.recent_books),
    ]
    return "\n".join(filter(None, lines))[:TEXT_MAX_CHARACTERS]


def _age_days(loan: Loan, today: date) -> int:
    return max((today - loan.checkout_date).days, 0)


def _band(loan: Loan) -> str | None:
    if loan.difficulty_band is not None or loan.reading_level is None:
        return loan.difficulty_band
    return band_of_level(loan.reading_level)


def _shares(amounts: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Compute shares by name, largest first, names of the same share in alphabetical order.

    Exact sums, because a last digit that depends on the order could turn into another text.
    """
    parts: dict[str, list[float]] = defaultdict(list)
    for name, amount in amounts:
        parts[name].append(amount)
    totals = {name: math.fsum(amounts) for name, amounts in parts.items()}
    whole = math.fsum(totals.values())
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return {name: total / whole for name, total in ordered if total > 0}


def _reading_level(
    loans: Sequence[Loan],
    weights: Sequence[float],
    today: date,
    grade_level: int | None,
    prior_year_reading_score: float | None,
) -> ReadingLevel:
    known = [
        (-_age_days(loan, today), loan.reading_level, weight)
        for loan, weight in zip(loans, weights, strict=True)
        if loan.reading_level is not None and weight > 0
    ]
    if known:
        total = math.fsum(weight for *_, weight in known)
        mean_level = math.fsum(level * weight for _, level, weight in known) / total
        mean_day = math.fsum(day * weight for day, _, weight in known) / total
        spread = math.fsum(weight * (day - mean_day) ** 2 for day, _, weight in known)
        slope = None
        if len({day for day, *_ in known}) > 1 and spread > 0:
            lean = math.fsum(w * (day - mean_day) * (level - mean_level) for day, level, w in known)
            slope = 30 * lean / spread
        return ReadingLevel(mean_level, slope, min(len(known) / 5, 1.0), "checkouts")
    # A score on another scale (percentiles, points) says nothing about the grade.
    if prior_year_reading_score is not None and prior_year_reading_score <= MAX_GRADE:
        return ReadingLevel(prior_year_reading_score, None, 0.0, "prior_year_reading_score")
    if grade_level is not None:
        return ReadingLevel(float(grade_level), None, 0.0, "grade_level")
    return ReadingLevel(None, None, 0.0, "unknown")


def _checkouts_per_30_days(loans: Sequence[Loan], today: date) -> float:
    """Rate loans since the first one, or over 30 days for a student who began later than that."""
    if not loans:
        return 0.0
    return len(loans) * 30 / max(30, *(_age_days(loan, today) for loan in loans))


def _median_loan_days(loans: Sequence[Loan]) -> float | None:
    lengths = [
        (loan.return_date - loan.checkout_date).days
        for loan in loans
        if loan.return_date is not None
    ]
    return float(median(lengths)) if lengths else None


def _recent_books(loans: Sequence[Loan], weights: Sequence[float]) -> list[RecentBook]:
    """Choose the books with the most weight; one borrowed twice counts with both loans."""
    weights_of: dict[str, list[float]] = defaultdict(list)
    books: dict[str, RecentBook] = {}
    for loan, weight in zip(loans, weights, strict=True):
        if loan.title is not None:
            weights_of[loan.book_id].append(weight)
            books[loan.book_id] = RecentBook(loan.title, loan.author, loan.genre, loan.keywords)
    heaviest = sorted(books, key=lambda book_id: (-math.fsum(weights_of[book_id]), book_id))
    return [books[book_id] for book_id in heaviest[:BOOKS_IN_TEXT]]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _share_line(label: str, shares: Mapping[str, float]) -> str:
    parts = [f"{_words(name)} {share:.0%}" for name, share in shares.items() if share >= 0.005]
    return f"{label}: {', '.join(parts)}." if parts else ""


def _book_line(book: RecentBook) -> str:
    by = f" by {book.author}" if book.author else ""
    tags = ", ".join([*book.genre, *book.keywords])
    return f"{book.title}{by}." + (f" {tags}." if tags else "")
