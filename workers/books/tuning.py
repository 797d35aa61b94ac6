"""Choose λ, the half-life and the weights of the terms on an earlier window, never on the test."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from workers.books import ranking_quality as quality
from workers.books.as_of import AsOf, histories_of
from workers.books.baselines import Scorer, ease_alone
from workers.books.history import HALF_LIFE_LOANS
from workers.books.loans import Split
from workers.books.model import solve_model
from workers.books.score import DEFAULT_WEIGHTS, TermWeights, score_books

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Key = TypeVar("Key")

DEFAULT_RIDGE = 300.0
RIDGES = (50.0, 100.0, 300.0, 1000.0, 3000.0)
HALF_LIVES = (3.0, 5.0, 10.0, 20.0, 50.0)
# The terms whose weights are chosen. Level, staff picks and series stay as they are set: what they
# are for does not show in loans alone.
CHOSEN_TERMS = ("readers", "content", "neighbors", "trending")
# Steps of 0.1 that the weights are divided into: 286 ways.
SHARES = 10
# Each λ costs a solve: those of the most borrowed books tell which is best.
TUNING_BOOKS = 5_000
TUNING_READERS = 1_000
# Of fewer readers no choice is better than the defaults.
FEWEST_READERS = 30
BLOCK = 256


@dataclass(frozen=True)
class Tried:
    """A choice and its mean NDCG@10 over the readers of the earlier window."""

    ridge: float
    half_life: float
    weights: TermWeights | None
    ndcg: float


@dataclass(frozen=True)
class Choice:
    """What was chosen, and what it was chosen from.

    Of all choices that the best one does not beat by more than chance it is the one nearest to the
    defaults: few readers would choose by luck, and another way every night.
    """

    ridge: float = DEFAULT_RIDGE
    half_life: float = HALF_LIFE_LOANS
    weights: TermWeights = DEFAULT_WEIGHTS
    tried: tuple[Tried, ...] = ()


def choose_model(
    split: Split,
    *,
    max_books: int = TUNING_BOOKS,
    after_step: Callable[[int, int], None] = lambda _done, _steps: None,
) -> Choice:
    """Choose λ and the half-life of loans, by EASE alone.

    `after_step(done, steps)` is called about every second of each solve.
    """
    readers = sampled(split.readers)
    if len(readers) < FEWEST_READERS:
        return Choice()
    histories = {half_life: histories_of(split.known, half_life) for half_life in HALF_LIVES}
    found: dict[tuple[float, float], Doubles] = {}
    for ridge in RIDGES:
        model = solve_model(split.known, ridge=ridge, max_books=max_books, after_step=after_step)
        weights = model.in_catalog(split.known.shape[1])
        for half_life in HALF_LIVES:
            scorer = ease_alone(weights, histories[half_life])
            lists = best_lists(scorer, split, readers, 10)
            found[ridge, half_life] = quality.ndcg(lists, split.relevant[readers])
    default = np.log([DEFAULT_RIDGE, HALF_LIFE_LOANS])
    ridge, half_life = nearest_of_the_best(
        found, lambda way: float(np.abs(np.log(way) - default).sum())
    )
    tried = [Tried(*key, None, float(np.nanmean(values))) for key, values in found.items()]
    return Choice(ridge, half_life, tried=tuple(tried))


def choose_weights(choice: Choice, library: AsOf, split: Split) -> Choice:
    """Choose the weights of readers, content, neighbours and trending: tenths that sum to 1.

    `library` is what scoring knows before the window, with the choice's own λ and half-life.
    """
    readers = sampled(split.readers)
    if len(readers) < FEWEST_READERS:
        return choice
    named: tuple[float, ...] = tuple(getattr(choice.weights, name) for name in CHOSEN_TERMS)
    ways = list(dict.fromkeys([named, *_shares(len(CHOSEN_TERMS), SHARES)]))
    gathered: dict[tuple[float, ...], list[Doubles]] = {way: [] for way in ways}
    for block in _blocks(readers):
        terms, unread = _terms(library, split, block)
        relevant = split.relevant[block]
        for way in ways:
            total = np.zeros(unread.shape, np.float32)
            for weight, term in zip(way, terms, strict=True):
                if weight and term is not None:
                    total += np.float32(weight) * term
            gathered[way].append(quality.ndcg(top(total, unread, 10), relevant))
    found = {way: np.concatenate(values) for way, values in gathered.items()}
    chosen = nearest_of_the_best(found, lambda way: float(np.abs(np.subtract(way, named)).sum()))
    best = replace(choice.weights, **dict(zip(CHOSEN_TERMS, chosen, strict=True)))
    tried = [
        Tried(
            choice.ridge,
            choice.half_life,
            replace(choice.weights, **dict(zip(CHOSEN_TERMS, way, strict=True))),
            float(np.nanmean(values)),
        )
        for way, values in found.items()
    ]
    return replace(choice, weights=best, tried=(*choice.tried, *tried))


def best_lists(scorer: Scorer, split: Split, readers: Ints, k: int) -> Ints:
    """Rank all unread books for readers: lists (s, k) of rows, -1 where there are no more."""
    seen = split.known.matrix()
    lists = [top(scorer(block), seen[block].toarray() == 0, k) for block in _blocks(readers)]
    return np.concatenate(lists) if lists else np.empty((0, k), np.int32)


def top(scores: Floats, allowed: npt.NDArray[np.bool_], k: int) -> Ints:
    """Find the k best allowed books of each row of scores; of equal ones the lower row first."""
    kept = min(k, scores.shape[1])
    ranked = np.where(allowed, scores, -np.inf)
    # The k-th best value: all that equal it compete for the last places, the lower row wins.
    least = np.partition(ranked, ranked.shape[1] - kept, axis=1)[:, -kept]
    lists = np.full((len(scores), k), -1, np.int32)
    for row, (values, bound) in enumerate(zip(ranked, least, strict=True)):
        rows = np.flatnonzero((values >= bound) & (values > -np.inf))
        best = rows[np.argsort(-values[rows], kind="stable")[:kept]]
        lists[row, : len(best)] = best
    return lists


def nearest_of_the_best(found: Mapping[Key, Doubles], distance: Callable[[Key], float]) -> Key:
    """Choose a key by its readers' figures: the nearest of those as good as the best within chance.

    The one-standard-error rule (Breiman, Friedman, Olshen, Stone 1984), on paired differences: as
    good means behind by no more than the standard error of being behind.
    """
    means = {key: float(np.nanmean(values)) for key, values in found.items()}
    best = found[max(means, key=lambda key: means[key])]
    good = []
    for key, values in found.items():
        behind = (best - values)[~np.isnan(best)]
        if behind.mean() <= behind.std() / np.sqrt(len(behind)):
            good.append(key)
    return min(good, key=lambda key: (round(distance(key), 9), -means[key]))


def sampled(readers: Ints, most: int = TUNING_READERS) -> Ints:
    """Draw readers, the same ones each time, if there are more than `most`."""
    if len(readers) <= most:
        return readers
    return np.sort(np.random.default_rng(0).choice(readers, most, replace=False))


def _terms(
    library: AsOf, split: Split, readers: Ints
) -> tuple[list[Floats | None], npt.NDArray[np.bool_]]:
    unread = split.known.matrix()[readers].toarray() == 0
    students = [library.students[reader] for reader in readers]
    scores = score_books(library.books, students, unread, DEFAULT_WEIGHTS)
    return [scores.terms.get(name) for name in CHOSEN_TERMS], unread


def _shares(parts: int, whole: int) -> Iterator[tuple[float, ...]]:
    for way in product(range(whole + 1), repeat=parts):
        if sum(way) == whole:
            yield tuple(share / whole for share in way)


def _blocks(readers: Ints) -> Sequence[Ints]:
    return [readers[start : start + BLOCK] for start in range(0, len(readers), BLOCK)]
