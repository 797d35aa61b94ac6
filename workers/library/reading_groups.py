"""Reading groups of a class: three to five children who read alike, and what they share."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection
from workers.library.classroom import MAX_CHILDREN, ChildInClass

READ_VECTORS = query("library/reading_groups.read_vectors")
LIST_SHARED = query("library/reading_groups.list_shared")

SMALLEST, USUAL, LARGEST = 3, 4, 5
SHOWN_GENRES = 2
SHOWN_TITLES = 3
# Books of a class that two children share and that are looked at, the most shared first.
MAX_SHARED = 2000

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SharedBook:
    """A book that several children of a class borrowed."""

    book_id: str
    title: str
    student_ids: Sequence[str]


@dataclass(frozen=True)
class ReadingGroup:
    """Children who read alike: the genres that lead with them, and titles that two or more know."""

    children: Sequence[ChildInClass]
    genres: Sequence[str]
    titles: Sequence[str]

    @property
    def levels(self) -> tuple[float, float] | None:
        """The lowest and the highest level, in grades."""
        known = [child.level for child in self.children if child.level is not None]
        return (min(known), max(known)) if known else None


@dataclass(frozen=True)
class Grouping:
    """Groups of a class, and the children of whom too little is known to place them."""

    groups: list[ReadingGroup]
    left_out: list[ChildInClass]


def group_children(homeroom: str, children: Sequence[ChildInClass]) -> Grouping:
    """Put the children of a class into groups of three to five by how alike their profiles are."""
    spec = settings().student_embedding
    with connection() as conn:
        vectors = dict(
            conn.cursor(binary=True)
            .execute(
                READ_VECTORS,
                {
                    "homeroom": homeroom,
                    "model": spec.model,
                    "dimensions": spec.dimensions,
                    "most": MAX_CHILDREN,
                },
            )
            .fetchall()
        )
        shared = (
            conn.cursor(row_factory=class_row(SharedBook))
            .execute(
                LIST_SHARED,
                {"student_ids": [child.student_id for child in children], "most": MAX_SHARED},
            )
            .fetchall()
        )
    # A profile without loans has a vector too, and says nothing of what the child likes.
    known = [child for child in children if child.student_id in vectors and child.loans]
    left_out = [child for child in children if child not in known]
    if len(known) < SMALLEST:
        return Grouping([], [*children])
    matrix = np.stack([vectors[child.student_id].to_numpy() for child in known])
    groups = [[known[place] for place in places] for places in cluster(matrix.astype(np.float32))]
    return Grouping([_describe(group, shared) for group in groups], left_out)


def cluster(vectors: Floats) -> list[list[int]]:
    """Cluster unit vectors (n, d) into groups of 3 to 5 rows, n being at least 3.

    Whoever is least like all others first chooses the most similar free rows, so that nobody is
    left for a group of leftovers.

    >>> cluster(np.array([[1, 0], [0, 1], [1, 0], [0, 1], [1, 0], [0, 1]], np.float32))
    [[0, 2, 4], [1, 3, 5]]
    """
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, 0.0)
    free = set(range(len(vectors)))
    found = []
    for size in _sizes(len(vectors)):
        rows = sorted(free)
        lonely = min(rows, key=lambda row: (float(similar[row, rows].sum()), row))
        group = [lonely]
        free.remove(lonely)
        while len(group) < size:
            best = max(free, key=lambda row: (float(similar[row, group].sum()), -row))
            group.append(best)
            free.remove(best)
        found.append(sorted(group))
    return sorted(found)


def _sizes(count: int) -> list[int]:
    """Share out so many children, four to a group where that comes out even.

    >>> _sizes(12), _sizes(11), _sizes(5), _sizes(7)
    ([4, 4, 4], [4, 4, 3], [5], [4, 3])
    """
    groups = max(1, math.ceil(count / LARGEST), round(count / USUAL))
    while groups > 1 and count / groups < SMALLEST:
        groups -= 1
    small, rest = divmod(count, groups)
    return [small + 1] * rest + [small] * (groups - rest)


def _describe(children: Sequence[ChildInClass], shared: Sequence[SharedBook]) -> ReadingGroup:
    totals: Counter[str] = Counter()
    for child in children:
        totals.update(child.genre_shares)
    ids = {child.student_id for child in children}
    readers = [(len(ids & set(book.student_ids)), book.title) for book in shared]
    titles = [title for count, title in sorted(readers, key=_most_first) if count > 1]
    return ReadingGroup(
        sorted(children, key=lambda child: child.name.lower()),
        [name for name, _ in totals.most_common(SHOWN_GENRES)],
        titles[:SHOWN_TITLES],
    )


def _most_first(reader: tuple[int, str]) -> tuple[int, str]:
    count, title = reader
    return -count, title
