"""Why a book stands where it stands: facts taken from the very sums that make its score."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from workers.books.catalog import Catalog
from workers.books.history import History
from workers.books.score import BookArrays, Scores, Student
from workers.books.trends import EVERYONE

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

# A level or rating below this share of the best possible is no reason to name.
WORTH_NAMING = 0.6
MAX_REASONS = 3


@dataclass(frozen=True)
class BecauseRead:
    """Readers of these books, all read by the student, borrowed this one; the strongest first."""

    type: ClassVar[str] = "because_read"
    book_ids: tuple[str, ...]


@dataclass(frozen=True)
class LikeRead:
    """The book that the student read whose vector speaks most for this one, and common genres."""

    type: ClassVar[str] = "like_read"
    book_id: str
    genres: tuple[str, ...]


@dataclass(frozen=True)
class FitsProfile:
    """The student's profile is close, while no single book of theirs is known to be."""

    type: ClassVar[str] = "fits_profile"


@dataclass(frozen=True)
class NeighborsRead:
    """How many of the student's neighbours in the graph borrowed and did not dislike this book."""

    type: ClassVar[str] = "neighbors_read"
    readers: int


@dataclass(frozen=True)
class Trending:
    """This book was borrowed in the last 30 days; `in_grade` by readers of about the same grade."""

    type: ClassVar[str] = "trending"
    in_grade: bool


@dataclass(frozen=True)
class MatchesLevel:
    """This book's level is near the student's, in grades."""

    type: ClassVar[str] = "matches_level"
    level: float


@dataclass(frozen=True)
class WellRated:
    """The mean of this book's ratings from 1 to 5, drawn to the mean of all books."""

    type: ClassVar[str] = "well_rated"
    stars: float


@dataclass(frozen=True)
class StaffPick:
    """A librarian picked this book for the student's grade, or for all."""

    type: ClassVar[str] = "staff_pick"


@dataclass(frozen=True)
class NextVolume:
    """The volume that the student read before this one in its series."""

    type: ClassVar[str] = "next_volume"
    book_id: str


@dataclass(frozen=True)
class NewArrival:
    """This book came to the library in the last 60 days."""

    type: ClassVar[str] = "new_arrival"


@dataclass(frozen=True)
class Popular:
    """How many readers ever borrowed this book."""

    type: ClassVar[str] = "popular"
    readers: int


@dataclass(frozen=True)
class Unborrowed:
    """Nobody has borrowed this book yet."""

    type: ClassVar[str] = "unborrowed"


@dataclass(frozen=True)
class ReadersOf:
    """Readers of another book, named by a request, borrowed this one too."""

    type: ClassVar[str] = "readers_of"
    book_id: str


@dataclass(frozen=True)
class MeetsQuery:
    """This book is among those that a request's query finds; `in_words` by words that it holds."""

    type: ClassVar[str] = "meets_query"
    in_words: bool


Evidence = (
    BecauseRead
    | LikeRead
    | FitsProfile
    | NeighborsRead
    | Trending
    | MatchesLevel
    | WellRated
    | StaffPick
    | NextVolume
    | NewArrival
    | Popular
    | Unborrowed
    | ReadersOf
    | MeetsQuery
)


@dataclass(frozen=True)
class Witness:
    """What can speak for books: a student's own loans and neighbours, looked up once for a list.

    `place` is the student's row in `scores`.
    """

    books: BookArrays
    student: Student
    scores: Scores
    place: int

    @cached_property
    def named(self) -> Ints:
        """The books that a weight of each loan is for: a row per loan (k, w)."""
        assert self.books.weights is not None  # noqa: S101  # `readers` comes from nowhere else
        return self.books.weights.books[self.student.history.books]

    @cached_property
    def liked(self) -> tuple[History, Floats]:
        """What the student borrowed and did not dislike, and its weighted vectors (k, d)."""
        assert self.books.vectors is not None  # noqa: S101  # as above
        liked = self.student.history.liked
        return liked, self.books.vectors[liked.books] * liked.weights[:, None]

    @cached_property
    def borrowed(self) -> Ints:
        """What neighbours borrowed and did not dislike: each of them names a book once."""
        liked = [each.history.liked.books for each in self.student.neighbors]
        return np.concatenate([np.empty(0, np.int32), *liked])


def evidence_for(witness: Witness, book: int) -> list[Evidence]:
    """Gather the facts behind a book's score, those of the largest part first, three at most.

    There is always one: how often the book was borrowed, if nothing else speaks for it.
    """
    parts = witness.scores.parts(witness.place, book)
    found: list[Evidence] = []
    for name in sorted(parts, key=lambda name: (-parts[name], name)):
        if parts[name] <= 0 or len(found) == MAX_REASONS:
            break
        fact = GATHER[name](witness, book)
        if fact is not None:
            found.append(fact)
    return found or [_of_popularity(witness.books, book)]


def source_of(parts: dict[str, float]) -> str:
    """Name the term that put a book into the list: the largest part that is not level or rating.

    >>> source_of({"readers": 0.1, "content": 0.2, "level": 0.3})
    'content'
    >>> source_of({"readers": 0.0, "level": 0.05})
    'popular'
    """
    sources = {name: part for name, part in parts.items() if name not in ("level", "rating")}
    largest = max(sources, key=lambda name: sources[name], default=None)
    return largest if largest is not None and sources[largest] > 0 else "popular"


def strongest_loans(witness: Witness, book: int, count: int = 2) -> list[int]:
    """Find the rows of a student's books that add most to a book's sum of EASE; positive ones."""
    weights, history = witness.books.weights, witness.student.history
    assert weights is not None  # noqa: S101  # as above
    places, columns = np.nonzero(witness.named == book)
    rows = history.books[places]
    amounts = weights.values[rows, columns] * history.weights[places]
    # What was disliked adds too, where its weight is negative; it is not why a book is shown.
    amounts[history.weights[places] < 0] = 0
    best = np.argsort(-amounts, kind="stable")[:count]
    return [int(rows[place]) for place in best if amounts[place] > 0]


def _because_read(witness: Witness, book: int) -> Evidence | None:
    loans = strongest_loans(witness, book)
    return BecauseRead(tuple(_id(witness.books.catalog, row) for row in loans)) if loans else None


def _like_read(witness: Witness, book: int) -> Evidence | None:
    (liked, weighted), catalog = witness.liked, witness.books.catalog
    assert witness.books.vectors is not None  # noqa: S101  # as above
    amounts = weighted @ witness.books.vectors[book]
    if not len(amounts) or amounts.max() <= 0:
        return FitsProfile()
    nearest = int(liked.books[np.argmax(amounts)])
    both = catalog.genres[nearest] & catalog.genres[book]
    genres = tuple(catalog.genre_names[place] for place in np.flatnonzero(both))
    return LikeRead(_id(catalog, nearest), genres)


def _neighbors_read(witness: Witness, book: int) -> Evidence | None:
    count = int(np.count_nonzero(witness.borrowed == book))
    return NeighborsRead(count) if count else None


def _trending(witness: Witness, _book: int) -> Evidence:
    return Trending(in_grade=witness.student.grade_row not in (-1, EVERYONE))


def _matches_level(witness: Witness, book: int) -> Evidence | None:
    level, fit = witness.student.level, float(witness.scores.terms["level"][witness.place, book])
    return None if level is None or fit < WORTH_NAMING else MatchesLevel(level)


def _well_rated(witness: Witness, book: int) -> Evidence | None:
    rating = float(witness.scores.terms["rating"][witness.place, book])
    return WellRated(1 + 4 * rating) if rating >= WORTH_NAMING else None


def _picked(_witness: Witness, _book: int) -> Evidence:
    return StaffPick()


def _next_volume(witness: Witness, book: int) -> Evidence:
    before = witness.scores.volumes[witness.place][book]
    return NextVolume(_id(witness.books.catalog, before))


# What speaks for a book where a term does.
GATHER: Mapping[str, Callable[[Witness, int], Evidence | None]] = {
    "readers": _because_read,
    "content": _like_read,
    "neighbors": _neighbors_read,
    "trending": _trending,
    "level": _matches_level,
    "rating": _well_rated,
    "staff_pick": _picked,
    "series": _next_volume,
}


def _of_popularity(books: BookArrays, book: int) -> Evidence:
    readers = 0 if books.popularity is None else int(books.popularity[book])
    return Popular(readers) if readers else Unborrowed()


def _id(catalog: Catalog, row: int) -> str:
    return catalog.book_ids[row]
