"""What is asked of recommending, and what is answered: the two ends that a route sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from workers.books.diversity import DIVERSITY
from workers.books.reasons import Reason

MAX_LIMIT = 50
MAX_STUDENTS = 50
# Of books, in grades.
MAX_LEVEL = 20.0


@dataclass(frozen=True)
class Wanted:
    """A request: for a student, for a group of them, or for readers of a book.

    `levels` in grades, both ends included. `seen_again` lets books come that were borrowed before,
    `shown_again` those that were shown within a day. `copies` is how many have to be available,
    where they are counted. `earlier` is the answer whose next page this is.
    """

    student_ids: tuple[str, ...] = ()
    book_id: str | None = None
    limit: int = 10
    query: str | None = None
    levels: tuple[float, float] | None = None
    genres: frozenset[str] | None = None
    language: str | None = None
    available: bool = True
    copies: int = 1
    exclude_ids: tuple[str, ...] = ()
    seen_again: bool = False
    shown_again: bool = False
    diversity: float = DIVERSITY
    earlier: UUID | None = None

    @property
    def is_group(self) -> bool:
        """Whether more than one student is asked for."""
        return len(self.student_ids) > 1


def level_window(lowest: float | None, highest: float | None) -> tuple[float, float] | None:
    """Give the levels between two ends in grades, whichever is the lower; None without any.

    >>> level_window(6, 4), level_window(None, 3), level_window(None, None)
    ((4, 6), (0.0, 3), None)
    """
    if lowest is None and highest is None:
        return None
    ends = (lowest or 0.0, MAX_LEVEL if highest is None else highest)
    return min(ends), max(ends)


@dataclass(frozen=True)
class Item:
    """A recommended book: `parts` sum to `score`, and so do `factors`, which are fewer.

    `reasons` say why, `source` is the largest part.
    `level` in grades; `available` is None where copies are not known. In a group, `suited` counts
    the members that it suits and `read_by` names those who have borrowed it. `reason` is one
    sentence: that of the first of `reasons`, or what a chat model made of all of them, as
    `reason_source` says; only a model writes a `blurb`.
    """

    book_id: str
    title: str
    author: str | None
    level: float | None
    available: bool | None
    copies_available: int | None
    copies_total: int | None
    cover_url: str | None
    score: float
    parts: Mapping[str, float]
    factors: Mapping[str, float]
    reasons: Sequence[Reason]
    source: str
    reason: str = ""
    reason_source: Literal["rules", "model"] = "rules"
    blurb: str | None = None
    suited: int | None = None
    read_by: Sequence[str] | None = None


@dataclass(frozen=True)
class Answer:
    """Recommended books, what they are based on, and what the answer had to do without.

    `based_on` is loans, level, catalogue, book or group. `fresh` says whether profile, vector and
    neighbours reflect all events; loans and verdicts always count. `excluded_counts` are books by
    the rule that kept them out.
    """

    recommendation_id: UUID | None
    based_on: str
    model_version: int | None
    weights_version: int
    fresh: bool
    last_event: UUID | None
    degraded: Sequence[str]
    items: Sequence[Item]
    excluded_counts: Mapping[str, int]
    student_id: str | None = None
    student_ids: Sequence[str] = field(default_factory=tuple)
    book_id: str | None = None
    next_cursor: str | None = None
