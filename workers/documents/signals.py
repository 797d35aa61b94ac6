"""Signals of candidates fused to one score: min-max over the candidates, weighted, summed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SEMANTIC = "semantic"
DEFAULT_WEIGHT = 1.0
# Where a signal is the same for all candidates that have it: they all are its best, as in the
# hybrid search of Elasticsearch and OpenSearch, and those that lack it are not.
CONSTANT = 1.0


@dataclass(frozen=True)
class Part:
    """What one signal adds to a score.

    `value` is the signal as it was given, `normalized` its place between the least (0) and the
    largest (1) of the candidates, `score` that times the signal's weight.
    """

    value: float
    normalized: float
    score: float


@dataclass(frozen=True)
class Fused:
    """The sum of a candidate's parts, in [0, 1]; `missing` are signals that others may have."""

    score: float
    parts: dict[str, Part]
    missing: list[str]


def share_weights(names: Sequence[str], weights: Mapping[str, float]) -> dict[str, float]:
    """Scale the signals' weights to the sum of 1; a signal without a weight has 1 before that.

    >>> share_weights(["semantic", "bm25"], {"bm25": 3})
    {'semantic': 0.25, 'bm25': 0.75}
    """
    given = {name: float(weights.get(name, DEFAULT_WEIGHT)) for name in names}
    total = sum(given.values())
    return {name: weight / total for name, weight in given.items()}


def fuse(candidates: Sequence[Mapping[str, float]], shares: Mapping[str, float]) -> list[Fused]:
    """Score candidates by the signals that each has; a signal that it lacks adds nothing.

    More counts as better: who has a price or an age gives it with a minus.

    Args:
        candidates: each one's signals by name, finite.
        shares: the weight of every signal by name, at least 0.

    >>> [round(each.score, 2) for each in fuse([{"a": 2}, {"a": 4}, {"a": 3}, {}], {"a": 0.5})]
    [0.0, 0.5, 0.25, 0.0]
    """
    bounds = {name: _bounds([each[name] for each in candidates if name in each]) for name in shares}
    return [_fuse_one(each, shares, bounds) for each in candidates]


def _fuse_one(
    signals: Mapping[str, float],
    shares: Mapping[str, float],
    bounds: Mapping[str, tuple[float, float]],
) -> Fused:
    parts = {}
    for name, share in shares.items():
        if name in signals:
            normalized = _normalize(signals[name], *bounds[name])
            parts[name] = Part(signals[name], normalized, share * normalized)
    missing = [name for name in shares if name not in signals]
    return Fused(sum((part.score for part in parts.values()), 0.0), parts, missing)


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (0.0, 0.0)


def _normalize(value: float, least: float, largest: float) -> float:
    return CONSTANT if least == largest else (value - least) / (largest - least)
