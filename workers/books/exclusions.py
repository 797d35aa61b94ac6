"""Which books may not be shown to a student, and which rule says so."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from workers.books.catalog import Catalog, fold

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

# Grades around a student's level that are shown unless a request asks for others.
LEVELS_BELOW, LEVELS_ABOVE = 1.5, 1.0


class Rule(StrEnum):
    """Why a book is not in an answer. A book that several rules keep out counts for the first."""

    DELETED = "deleted"
    HIDDEN = "hidden"
    DISLIKED = "disliked"
    SEEN = "seen"
    EXCLUDED = "excluded"
    OUT = "out"
    LEVEL = "level"
    GENRES = "genres"
    LANGUAGE = "language"
    SHOWN = "shown"
    AUTHOR = "author"
    SERIES = "series"


RULES = tuple(Rule)
# Rules that no request lifts; the best of what they leave is what terms are divided by.
NEVER_SHOWN = (Rule.DELETED, Rule.HIDDEN, Rule.DISLIKED, Rule.SEEN)
ALLOWED = -1


def _none() -> Ints:
    return np.empty(0, np.int32)


@dataclass(frozen=True)
class Known:
    """Rows of books that must not come again: deleted ones, and what this student did with them.

    `seen` are loans, `shown` was recommended within the last day, `excluded` are a request's own.
    """

    deleted: Ints = field(default_factory=_none)
    hidden: Ints = field(default_factory=_none)
    disliked: Ints = field(default_factory=_none)
    seen: Ints = field(default_factory=_none)
    excluded: Ints = field(default_factory=_none)
    shown: Ints = field(default_factory=_none)


@dataclass(frozen=True)
class BookFilter:
    """What an answer may consist of; what is None is not looked at.

    `levels` in grades, both ends included; `levels_asked` says that the request named them: then a
    book whose level is unknown does not fit. Any of `genres` is enough, and `pt` takes `pt-br`.
    `available` leaves out books whose copies are known to be fewer than `copies`.
    """

    levels: tuple[float, float] | None = None
    levels_asked: bool = False
    genres: frozenset[str] | None = None
    language: str | None = None
    available: bool = True
    copies: int = 1


@dataclass(frozen=True)
class Exclusions:
    """The rule that keeps out each of n books: `rules` (n,) int8, a place in `RULES` or -1."""

    rules: npt.NDArray[np.int8]

    @property
    def allowed(self) -> Flags:
        """The books that may be shown (n,)."""
        allowed: Flags = self.rules == ALLOWED
        return allowed

    @property
    def unread(self) -> Flags:
        """The books that no filter could bring back are False, others True (n,)."""
        return self.allowed | (self.rules >= len(NEVER_SHOWN))

    def rule_of(self, book: int) -> Rule | None:
        """Name the rule that keeps a book out."""
        place = int(self.rules[book])
        return None if place == ALLOWED else RULES[place]

    def counts(self, more: Iterable[Rule] = ()) -> dict[str, int]:
        """Count the books that fell to each rule, and `more` of a later step; without zeros."""
        kept_out, counts = np.unique(self.rules[self.rules != ALLOWED], return_counts=True)
        found = Counter(more)
        for place, count in zip(kept_out, counts, strict=True):
            found[RULES[place]] += int(count)
        return {rule.value: found[rule] for rule in RULES if found[rule]}


def exclude(catalog: Catalog, known: Known, wanted: BookFilter) -> Exclusions:
    """Apply all rules to all books; the last rule is laid down first, so the first one counts."""
    rules = np.full(len(catalog), ALLOWED, np.int8)

    def lay(rule: Rule, books: Ints) -> None:
        rules[books] = RULES.index(rule)

    def lay_where(rule: Rule, flags: Flags) -> None:
        np.putmask(rules, flags, RULES.index(rule))

    lay(Rule.SHOWN, known.shown)
    if wanted.language is not None:
        lay_where(Rule.LANGUAGE, ~_in_language(catalog, wanted.language))
    if wanted.genres is not None:
        lay_where(Rule.GENRES, ~_of_genres(catalog, wanted.genres))
    if wanted.levels is not None:
        lay_where(
            Rule.LEVEL, ~within(catalog.level, wanted.levels, unknown=not wanted.levels_asked)
        )
    if wanted.available:
        copies = catalog.copies_available
        lay_where(Rule.OUT, (copies >= 0) & (copies < wanted.copies))
    lay(Rule.EXCLUDED, known.excluded)
    lay(Rule.SEEN, known.seen)
    lay(Rule.DISLIKED, known.disliked)
    lay(Rule.HIDDEN, known.hidden)
    lay(Rule.DELETED, known.deleted)
    return Exclusions(rules)


def level_window(level: float | None) -> tuple[float, float] | None:
    """Return the levels around a student's that are shown unless a request asks for others.

    >>> level_window(4.0), level_window(None)
    ((2.5, 5.0), None)
    """
    return None if level is None else (level - LEVELS_BELOW, level + LEVELS_ABOVE)


def within(levels: Floats, window: tuple[float, float], *, unknown: bool) -> Flags:
    """Say which levels (n,) are in a window, ends included; NaN counts as `unknown` says."""
    lowest, highest = (np.float32(end) for end in window)
    fits = np.asarray((levels >= lowest) & (levels <= highest))
    return fits | np.isnan(levels) if unknown else fits


def _in_language(catalog: Catalog, language: str) -> Flags:
    tag = fold(language)
    codes = [
        code
        for code, name in enumerate(catalog.language_names)
        if name == tag or name.startswith(f"{tag}-")
    ]
    return np.isin(catalog.language, codes)


def _of_genres(catalog: Catalog, genres: Iterable[str]) -> Flags:
    names = {fold(genre) for genre in genres}
    columns = [place for place, name in enumerate(catalog.genre_names) if name in names]
    return np.asarray(catalog.genres[:, columns].any(axis=1))
