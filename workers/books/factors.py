"""The parts of a score by the names that libraries know from earlier recommenders: factors."""

from collections.abc import Mapping

# Which parts a factor sums; a part that is none of these stands by its own name.
FACTORS: Mapping[str, tuple[str, ...]] = {
    "reading_match": ("level",),
    "semantic": ("content", "query"),
    "social": ("readers", "neighbors"),
    "recency": ("trending",),
    "rating_boost": ("rating",),
    "staff_pick_bonus": ("staff_pick",),
}
NAMED = {part for parts in FACTORS.values() for part in parts}


def factors_of(parts: Mapping[str, float]) -> dict[str, float]:
    """Sum parts by factor: another breakdown of the same score.

    >>> factors_of({"readers": 0.25, "neighbors": 0.5, "series": 0.125})["social"]
    0.75
    >>> sum(factors_of({"readers": 0.25, "neighbors": 0.5, "series": 0.125}).values())
    0.875
    """
    found = {name: sum(parts.get(part, 0.0) for part in of) for name, of in FACTORS.items()}
    return {**found, **{name: part for name, part in parts.items() if name not in NAMED}}
