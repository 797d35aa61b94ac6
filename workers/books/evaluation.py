"""How good recommendations are on a library's own loans, against what people would use otherwise.

Later loans are held out, everything is chosen on a window before them, all unread books are ranked.
Readers without loans before, and books that nobody had borrowed, are reported apart.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from workers.books import baselines
from workers.books import ranking_quality as quality
from workers.books.as_of import AsOf, histories_of, library_as_of
from workers.books.baselines import Scorer
from workers.books.catalog import Catalog
from workers.books.history import History
from workers.books.loans import Loans, Split, split_in_time
from workers.books.model import MAX_BOOKS, solve_model
from workers.books.ranking_quality import Interval
from workers.books.score import DEFAULT_WEIGHTS, TermWeights, ranking, score_books
from workers.books.select_books import select_books
from workers.books.tuning import Choice, best_lists, choose_model, choose_weights, sampled

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

LIST_LENGTH = 20
# Readers that are judged by, drawn the same way each time.
MAX_READERS = 5_000
# What iALS is tuned over, on the earlier window: factors, regularization, alpha.
IALS_GRID = [(f, r, a) for f in (32, 64) for r in (0.01, 10.0) for a in (1.0, 10.0)]
BLEND, SHOWN, POPULAR = "blend", "blend, as shown", "popular"


@dataclass(frozen=True)
class System:
    """The figures of one way to recommend; `against` is its NDCG@10 less that of the blend."""

    name: str
    ndcg: Interval
    recall: Interval
    coverage: float
    head_share: float
    novelty: float
    against: Interval


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Means are over `readers`. `newcomers` had no loans before `at`: `newcomers_ndcg` is the blend's
    NDCG@10 for them. `unheard` loans were of books that nobody had borrowed: `unheard_recall` is
    the share of them among the blend's first 20. `skipped` names baselines that were not measured.
    """

    at: float
    known_loans: int
    held_out: int
    readers: int
    newcomers: int
    newcomers_ndcg: float
    unheard: int
    unheard_recall: float
    choice: Choice
    systems: tuple[System, ...]
    skipped: tuple[str, ...]

    def of(self, name: str) -> System:
        """Find the figures of one way to recommend."""
        return next(system for system in self.systems if system.name == name)


@dataclass(frozen=True)
class Library:
    """What is known besides loans: the catalogue and its books' vectors, grades and profiles.

    `profiles_of(loans, histories)` gives the students' vectors (s, d) whose nearest are
    neighbours; without it the mean of the vectors of what they borrowed stands in for them.
    """

    catalog: Catalog
    vectors: Floats | None = None
    grade_rows: Ints | None = None
    profiles_of: Callable[[Loans, list[History]], Floats] | None = None


def evaluate(
    loans: Loans,
    library: Library,
    *,
    split: Callable[[Loans], Split] = split_in_time,
    max_books: int = MAX_BOOKS,
    max_readers: int = MAX_READERS,
    weights: TermWeights | None = None,
    with_ials: bool = True,
) -> Report:
    """Measure the recommender and its baselines on loans.

    `split` is applied twice: to all loans for the test, and to what it leaves for the window on
    which λ, the half-life and, unless they are given, the weights are chosen.
    """
    test = split(loans)
    window = split(test.known)
    choice = choose_model(window)
    if weights is None:
        choice = choose_weights(choice, _as_of(window, library, choice, max_books), window)
    else:
        choice = replace(choice, weights=weights)
    now = _as_of(test, library, choice, max_books)
    readers = sampled(test.readers, max_readers)
    lists = {
        name: best_lists(scorer, test, readers, LIST_LENGTH)
        for name, scorer in _scorers(test, now, choice).items()
    }
    if with_ials and baselines.has_ials():
        scorer = baselines.ials(test.known, *_tune_ials(window))
        lists["iALS"] = best_lists(scorer, test, readers, LIST_LENGTH)
    lists[SHOWN] = shown_lists(now, choice.weights, test, readers)
    blend = blended(now, choice.weights, test)
    newcomers = sampled(test.newcomers, max_readers)
    early = best_lists(blend, test, newcomers, LIST_LENGTH)
    return Report(
        at=test.at,
        known_loans=len(test.known),
        held_out=len(loans) - len(test.known),
        readers=len(readers),
        newcomers=len(newcomers),
        newcomers_ndcg=_mean(quality.ndcg(early, test.relevant[newcomers])),
        unheard=test.unheard.nnz,
        unheard_recall=_mean(quality.recall(lists[BLEND], test.unheard[readers])),
        choice=choice,
        systems=tuple(_measure(lists, test, readers)),
        skipped=() if "iALS" in lists else ("iALS",),
    )


def blended(library: AsOf, weights: TermWeights, split: Split) -> Scorer:
    """Score as the product does, without diversity."""
    seen = split.known.matrix()

    def score(readers: Ints) -> Floats:
        unread = seen[readers].toarray() == 0
        students = [library.students[reader] for reader in readers]
        scores = score_books(library.books, students, unread, weights)
        return ranking(scores, library.books.popularity)

    return score


def shown_lists(library: AsOf, weights: TermWeights, split: Split, readers: Ints) -> Ints:
    """Make the lists that the product would show: diverse, with caps, without a level filter."""
    score, seen = blended(library, weights, split), split.known.matrix()
    lists = np.full((len(readers), LIST_LENGTH), -1, np.int32)
    for row, reader in enumerate(readers):
        unread = seen[[reader]].toarray()[0] == 0
        chosen = select_books(
            score(readers[row : row + 1])[0],
            unread,
            library.books.catalog,
            library.books.vectors,
            limit=LIST_LENGTH,
        )
        lists[row, : len(chosen.books)] = chosen.books
    return lists


def _as_of(split: Split, library: Library, choice: Choice, max_books: int) -> AsOf:
    histories = histories_of(split.known, choice.half_life)
    model = solve_model(split.known, ridge=choice.ridge, max_books=max_books)
    return library_as_of(
        split.known,
        split.at,
        library.catalog,
        library.vectors,
        model.in_catalog(split.known.shape[1]),
        histories,
        grade_rows=library.grade_rows,
        profiles=library.profiles_of and library.profiles_of(split.known, histories),
    )


def _scorers(split: Split, library: AsOf, choice: Choice) -> dict[str, Scorer]:
    histories = [student.history for student in library.students]
    nothing = replace(choice.weights, **dict.fromkeys(("readers", "content", "neighbors"), 0.0))
    nothing = replace(nothing, trending=0, level=0, rating=0, staff_pick=0, series=0)
    scorers = {
        BLEND: blended(library, choice.weights, split),
        "blend, default weights": blended(library, DEFAULT_WEIGHTS, split),
        POPULAR: baselines.popular(split.known),
        "recently popular": baselines.recently_popular(split.known, split.at),
        "item-kNN": baselines.item_knn(split.known, histories),
        "content alone": blended(library, replace(nothing, content=1), split),
        "neighbors alone": blended(library, replace(nothing, neighbors=1), split),
    }
    if library.books.weights is not None:
        scorers["EASE alone"] = baselines.ease_alone(library.books.weights, histories)
    return scorers


def _tune_ials(window: Split) -> tuple[int, float, float]:
    readers = sampled(window.readers)
    best, found = -1.0, IALS_GRID[0]
    for way in IALS_GRID:
        lists = best_lists(baselines.ials(window.known, *way), window, readers, 10)
        mean = _mean(quality.ndcg(lists, window.relevant[readers]))
        if mean > best:
            best, found = mean, way
    return found


def _measure(lists: dict[str, Ints], split: Split, readers: Ints) -> list[System]:
    relevant = split.relevant[readers]
    popularity = split.known.popularity()
    borrowers = int(np.count_nonzero(np.diff(split.known.matrix().indptr)))
    blend = quality.ndcg(lists[BLEND], relevant)
    return [
        System(
            name,
            ndcg=quality.bootstrap(ndcg := quality.ndcg(found, relevant)),
            recall=quality.bootstrap(quality.recall(found, relevant)),
            coverage=quality.coverage(found, split.known.shape[1]),
            head_share=quality.head_share(found, popularity),
            novelty=quality.novelty(found, popularity, borrowers),
            against=quality.bootstrap(ndcg, blend),
        )
        for name, found in lists.items()
    ]


def _mean(values: Doubles) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
