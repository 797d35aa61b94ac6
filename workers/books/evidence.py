"""Why a book stands where it stands: facts taken from the very sums that make its score."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from workers.books.book_weights import BookWeights
from workers.books.catalog import Catalog
from workers.books.history import History
from workers.books.score import BookArrays, Scores, Student
from workers.books.trends import EVERYONE

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
)


def evidence_for(
    books: BookArrays, student: Student, scores: Scores, place: int, book: int
) -> list[Evidence]:
    """Gather the facts behind a book's score, those of the largest part first, three at most.

    `place` is the student's row in `scores`. There is always one: how often the book was borrowed,
    if nothing else speaks for it.
    """
    parts = scores.parts(place, book)
    found: list[Evidence] = []
    for name in sorted(parts, key=lambda name: (-parts[name], name)):
        if parts[name] <= 0 or len(found) == MAX_REASONS:
            break
        fact = _of_term(name, books, student, scores, place, book)
        if fact is not None:
            found.append(fact)
    return found or [_of_popularity(books, book)]


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


def strongest_loans(weights: BookWeights, history: History, book: int, count: int = 2) -> list[int]:
    """Find the rows of a student's books that add most to a book's sum of EASE; positive ones."""
    places, columns = np.nonzero(weights.books[history.books] == book)
    rows = history.books[places]
    amounts = weights.values[rows, columns] * history.weights[places]
    # What was disliked adds too, where its weight is negative; it is not why a book is shown.
    amounts[history.weights[places] < 0] = 0
    best = np.argsort(-amounts, kind="stable")[:count]
    return [int(rows[place]) for place in best if amounts[place] > 0]


def _of_term(
    name: str, books: BookArrays, student: Student, scores: Scores, place: int, book: int
) -> Evidence | None:
    gather: dict[str, Callable[[], Evidence | None]] = {
        "readers": lambda: _because_read(books, student, book),
        "content": lambda: _like_read(books, student, book),
        "neighbors": lambda: _neighbors_read(student, book),
        "trending": lambda: Trending(in_grade=student.grade_row not in (-1, EVERYONE)),
        "level": lambda: _matches_level(student, float(scores.terms["level"][place, book])),
        "rating": lambda: _well_rated(float(scores.terms["rating"][place, book])),
        "staff_pick": StaffPick,
        "series": lambda: NextVolume(_id(books.catalog, scores.volumes[place][book])),
    }
    return gather[name]()


def _because_read(books: BookArrays, student: Student, book: int) -> Evidence | None:
    assert books.weights is not None  # noqa: S101 (a part of `readers` comes from nowhere else)
    loans = strongest_loans(books.weights, student.history, book)
    return BecauseRead(tuple(_id(books.catalog, row) for row in loans)) if loans else None


def _like_read(books: BookArrays, student: Student, book: int) -> Evidence | None:
    assert books.vectors is not None  # noqa: S101 (as above)
    liked = student.history.liked
    amounts = liked.weights * (books.vectors[liked.books] @ books.vectors[book])
    if not len(amounts) or amounts.max() <= 0:
        return FitsProfile()
    nearest = int(liked.books[np.argmax(amounts)])
    both = books.catalog.genres[nearest] & books.catalog.genres[book]
    genres = tuple(books.catalog.genre_names[place] for place in np.flatnonzero(both))
    return LikeRead(_id(books.catalog, nearest), genres)


def _neighbors_read(student: Student, book: int) -> Evidence | None:
    histories = (each.history for each in student.neighbors)
    count = sum(bool(each.weights[each.books == book].max(initial=0) > 0) for each in histories)
    return NeighborsRead(count) if count else None


def _matches_level(student: Student, fit: float) -> Evidence | None:
    if student.level is None or fit < WORTH_NAMING:
        return None
    return MatchesLevel(student.level)


def _well_rated(rating: float) -> Evidence | None:
    return WellRated(1 + 4 * rating) if rating >= WORTH_NAMING else None


def _of_popularity(books: BookArrays, book: int) -> Evidence:
    readers = 0 if books.popularity is None else int(books.popularity[book])
    return Popular(readers) if readers else Unborrowed()


def _id(catalog: Catalog, row: int) -> str:
    return catalog.book_ids[row]
