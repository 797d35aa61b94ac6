"""The map of readers: a point per child, near those who read alike, and the same as a table."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from routes.console.pages import Page
from routes.http.parameters import query_text, refuse
from workers.core.api_keys import Role
from workers.library.reader_map import MAX_POINTS, Point, read_map
from workers.students.homerooms import list_homerooms

# Units of the drawing, which is as high as the points need between these two.
WIDTH, LOWEST, HIGHEST, MARGIN = 640.0, 320.0, 560.0, 14.0
# The smallest radius, and what each root of a loan adds to it, up to so many.
RADIUS, ADDS, MOST_ADDED = 3.0, 0.6, 9.0
COLOURED_GENRES = 8
OTHERS = COLOURED_GENRES
NAMED_NEAR = 3
GRADES = {str(grade): grade for grade in range(-1, 14)}

HOMEROOM = query_text("homeroom", "the teacher of the class to show")
GRADE = query_text("grade", "the grade to show, from -1 to 13")


@dataclass(frozen=True)
class Dot:
    """A point as it is drawn; `colour` is a place in the legend, None without a genre."""

    point: Point
    x: float
    y: float
    radius: float
    colour: int | None
    nearest: Sequence[Point]


@dataclass(frozen=True)
class LegendEntry:
    """A colour: the genre that leads with so many readers."""

    colour: int | None
    genre: str
    readers: int


def reader_map(homeroom: str | None, grade: str | None) -> Mapping[str, Any]:
    """Show all children as points, or those of one class or grade."""
    if grade is not None and grade not in GRADES:
        raise refuse("grade", "must be a grade from -1 to 13")
    found = read_map(homeroom, None if grade is None else GRADES[grade])
    legend = legend_of(found.points)
    dots, height = draw(found.points, legend)
    return {
        "dots": dots,
        "width": WIDTH,
        "height": height,
        "legend": legend,
        "map": found,
        "undrawn": found.placed - len(found.points),
        "unplaced": found.students - found.placed,
        "most": MAX_POINTS,
        "homerooms": list_homerooms(),
        "grades": GRADES,
        "homeroom": homeroom,
        "grade_asked": grade,
    }


def legend_of(points: Sequence[Point]) -> list[LegendEntry]:
    """Give the genres that lead most readers a colour each, and one to all others together."""
    counts = Counter(point.reader.genre for point in points)
    nobody = counts.pop(None, 0)
    leading = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0] or ""))
    entries = [
        LegendEntry(colour, genre or "", readers)
        for colour, (genre, readers) in enumerate(leading[:COLOURED_GENRES])
    ]
    if rest := sum(readers for _, readers in leading[COLOURED_GENRES:]):
        entries.append(LegendEntry(OTHERS, "other genres", rest))
    if nobody:
        entries.append(LegendEntry(None, "no genre yet", nobody))
    return entries


def draw(points: Sequence[Point], legend: Sequence[LegendEntry]) -> tuple[list[Dot], float]:
    """Lay the points out, with one scale for both axes; returns them and the drawing's height."""
    if not points:
        return [], LOWEST
    colours = {entry.genre: entry.colour for entry in legend}
    left, right = _ends([point.x for point in points])
    low, high = _ends([point.y for point in points])
    inner = WIDTH - 2 * MARGIN
    scale = min(inner / (right - left), (HIGHEST - 2 * MARGIN) / (high - low))
    height = round(min(max((high - low) * scale + 2 * MARGIN, LOWEST), HIGHEST), 1)

    def dot(point: Point) -> Dot:
        added = min(math.sqrt(point.reader.loans), MOST_ADDED)
        genre = point.reader.genre
        return Dot(
            point,
            round(WIDTH / 2 + (point.x - (left + right) / 2) * scale, 1),
            round(height / 2 - (point.y - (low + high) / 2) * scale, 1),
            round(RADIUS + ADDS * added, 1),
            None if genre is None else colours.get(genre, OTHERS),
            [points[place] for place in point.near[:NAMED_NEAR]],
        )

    return [dot(point) for point in points], height


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Return the smallest and the largest value, apart even when all are the same.

    >>> _ends([3.0, 1.0]), _ends([2.0])
    ((1.0, 3.0), (1.5, 2.5))
    """
    low, high = min(values), max(values)
    return (low, high) if high - low > 1e-9 else (low - 0.5, high + 0.5)


PAGE = Page(
    path="/library/map",
    template="library/reader_map.html",
    title="Map of readers",
    read=reader_map,
    parameters=(HOMEROOM, GRADE),
    shows="All children as points, near those who read alike, coloured by genre; and as a table.",
    role=Role.librarian,
    menu="Map",
)
