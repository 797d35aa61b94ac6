"""The catalogue's titles as a reader may write them: folded, found again with typing errors."""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from rapidfuzz import fuzz, process

from workers.core.process import per_process

# Words that people leave out or put in.
ARTICLES = frozenset({"a", "an", "the"})
# Of 100, how alike two titles have to be: one wrong letter of ten leaves 90, two leave 80.
ALIKE = 84.0
# Where the author is the right one, more may be wrong.
ALIKE_OF_AUTHOR = 72.0
# How alike two names have to be, with their words in any order.
SAME_AUTHOR = 74.0
# Shorter titles have to be right: at four letters most are alike.
SHORTEST = 5
# Titles that are compared with all of the catalogue at once; a chunk holds a byte for each pair.
CHUNK = 32
CANDIDATES = 5

Reading = tuple[str, str | None]


@dataclass(frozen=True)
class Shelf:
    """The catalogue's titles and authors, folded; `exact` finds books by a title or its head."""

    book_ids: Sequence[str]
    titles: Sequence[str]
    authors: Sequence[str]
    exact: Mapping[str, Sequence[int]]


class _Shelves:
    """The shelf that was made last, and of which titles."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.of: object = None
        self.shelf: Shelf | None = None


@per_process
def _shelves() -> _Shelves:
    return _Shelves()


def shelf_of(titles: Mapping[str, tuple[str, str | None]]) -> Shelf:
    """Fold a catalogue's titles and authors, by id; kept until the catalogue is another one."""
    shelves = _shelves()
    with shelves.lock:
        if shelves.shelf is None or shelves.of is not titles:
            shelves.shelf = make_shelf(titles)
            shelves.of = titles
        return shelves.shelf


def make_shelf(titles: Mapping[str, tuple[str, str | None]]) -> Shelf:
    """Fold titles and authors; those of the same title stand in the order of their ids."""
    book_ids = sorted(titles)
    folded = [fold_title(titles[book_id][0]) for book_id in book_ids]
    exact: dict[str, list[int]] = defaultdict(list)
    for row, title in enumerate(folded):
        exact[title].append(row)
    for row, book_id in enumerate(book_ids):
        head = fold_title(head_of(titles[book_id][0]))
        if row not in exact[head]:
            exact[head].append(row)
    exact.pop("", None)
    return Shelf(book_ids, folded, [fold_name(titles[key][1] or "") for key in book_ids], exact)


def fold_title(title: str) -> str:
    """Write a title without what people write differently: case, accents, signs, articles.

    >>> fold_title("The Lion, the Witch & the Wardrobe")
    'lion witch and wardrobe'
    """
    words = fold_name(title.replace("&", " and ")).split()
    return " ".join([word for word in words if word not in ARTICLES] or words)


def fold_name(name: str) -> str:
    """Write a name without case, accents and signs.

    >>> fold_name("Lindgren, Åström-Á."), fold_name("O'Dell")
    ('lindgren astrom a', 'odell')
    """
    plain = unicodedata.normalize("NFKD", name.casefold().replace("'", "").replace("\u2019", ""))
    kept = [sign if sign.isalnum() else " " for sign in plain if not unicodedata.combining(sign)]
    return " ".join("".join(kept).split())


def head_of(title: str) -> str:
    """Cut a subtitle off.

    >>> head_of("Hatchet: A Story of Survival")
    'Hatchet'
    """
    return title.partition(":")[0]


def find_exact(shelf: Shelf, readings: Sequence[Reading]) -> str | None:
    """Find the book with one of these titles, and with its author where both are known."""
    for title, author in readings:
        for spelled in (title, head_of(title)):
            rows = shelf.exact.get(fold_title(spelled), ())
            fitting = [row for row in rows if _same_author(shelf, row, author) is not False]
            if fitting:
                return shelf.book_ids[fitting[0]]
    return None


def find_alike(shelf: Shelf, entries: Sequence[Sequence[Reading]]) -> list[str | None]:
    """Find for each entry the book whose title is most alike, by any of its readings."""
    asked = [
        (place, fold_title(title), author)
        for place, readings in enumerate(entries)
        for title, author in readings
        if len(fold_title(title)) >= SHORTEST
    ]
    best: dict[int, tuple[float, str]] = {}
    for start in range(0, len(asked) if shelf.titles else 0, CHUNK):
        chunk = asked[start : start + CHUNK]
        alike = process.cdist(
            [folded for _, folded, _ in chunk],
            shelf.titles,
            scorer=fuzz.ratio,
            score_cutoff=ALIKE_OF_AUTHOR,
            dtype=np.float32,
        )
        for (place, folded, author), scores in zip(chunk, alike, strict=True):
            near = np.flatnonzero(scores)
            nearest = near[np.argsort(-scores[near], kind="stable")][:CANDIDATES]
            for row in nearest.tolist():
                score = _fits(shelf, row, folded, author, float(scores[row]))
                if score is not None and score > best.get(place, (0.0, ""))[0]:
                    best[place] = (score, shelf.book_ids[row])
    return [best[place][1] if place in best else None for place in range(len(entries))]


def _fits(shelf: Shelf, row: int, folded: str, author: str | None, score: float) -> float | None:
    """Rate a book for a title with errors; None if it is another one."""
    if _numbers(folded) != _numbers(shelf.titles[row]):
        return None
    same = _same_author(shelf, row, author)
    if same is False or score < (ALIKE_OF_AUTHOR if same else ALIKE):
        return None
    return score + 100 * bool(same)


def _numbers(folded: str) -> list[str]:
    """Name what tells volumes apart: "Book 1" is no misspelt "Book 2"."""
    return [word for word in folded.split() if any(sign.isdigit() for sign in word)]


def _same_author(shelf: Shelf, row: int, author: str | None) -> bool | None:
    """Compare authors, words in any order; None where one is not known."""
    asked, known = fold_name(author or ""), shelf.authors[row]
    if not asked or not known:
        return None
    return fuzz.token_set_ratio(asked, known) >= SAME_AUTHOR
