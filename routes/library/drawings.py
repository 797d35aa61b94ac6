"""Drawings of the library's pages: a line of levels, a bar of parts, a cover for a book without."""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from workers.library.reading_history import LevelPoint, ReadingHistory

# Units of the drawing; the page stretches it, and strokes keep their width.
WIDTH, HEIGHT, MARGIN = 600, 140, 8
COVER_COLOURS = 6
# What each part of a score stands for, in the order in which a bar shows them.
PARTS = {
    "readers": "readers of the same books",
    "content": "what it is about",
    "neighbors": "readers like them",
    "series": "next in a series",
    "level": "reading level",
    "trending": "borrowed a lot now",
    "rating": "ratings",
    "staff_pick": "staff pick",
    "query": "the search",
}


@dataclass(frozen=True)
class LevelPlot:
    """A year of levels: the path of the line, the path of the dots, what stands at the edges."""

    line: str
    dots: str
    top: str
    bottom: str
    first: date
    last: date


@dataclass(frozen=True)
class Part:
    """One part of a bar: `share` of the whole in [0, 1] from `start`; `place` names its colour."""

    name: str
    place: int
    start: float
    share: float


def plot_levels(history: ReadingHistory) -> LevelPlot | None:
    """Draw the reader's level as a line and the books' levels as dots; None without any."""
    values = [point.level for point in (*history.levels, *history.books)]
    if not values:
        return None
    low, high = math.floor(min(values)), math.ceil(max(values))
    high = max(high, low + 1)
    days = (history.until - history.since).days

    def place(point: LevelPoint) -> str:
        x = WIDTH * (point.day - history.since).days / days
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (point.level - low) / (high - low)
        return f"{x:.1f} {y:.1f}"

    line = "L".join(map(place, history.levels))
    return LevelPlot(
        line=f"M{line}h0.1" if line else "",
        dots="".join(f"M{place(point)}h0.1" for point in history.books),
        top=str(high),
        bottom=str(low),
        first=history.since,
        last=history.until,
    )


def bar_of_parts(parts: Mapping[str, float]) -> list[Part]:
    """Lay the parts that speak for a book side by side; what speaks against it has no length."""
    speaking = {name: max(parts.get(name, 0.0), 0.0) for name in PARTS}
    whole = sum(speaking.values())
    if whole <= 0:
        return []
    found, start = [], 0.0
    for place, (name, amount) in enumerate(speaking.items()):
        if amount / whole >= 0.005:
            found.append(Part(PARTS[name], place, start, amount / whole))
            start += amount / whole
    return found


def cover_colour(book_id: str) -> int:
    """Choose the colour of a drawn cover, always the same for a book."""
    return hashlib.sha256(book_id.encode()).digest()[0] % COVER_COLOURS


def cover_letters(title: str | None) -> str:
    """Take the letters of a drawn cover from a title.

    >>> cover_letters("The Lion, the Witch and the Wardrobe"), cover_letters(None)
    ('LW', '?')
    """
    words = re.findall(r"\w[^\s]*", title or "")
    named = [word for word in words if word.lower() not in _SMALL] or words
    return "".join(word[0].upper() for word in named[:2]) or "?"


_SMALL = frozenset({"a", "an", "the", "of", "and", "in", "on", "to", "for"})
