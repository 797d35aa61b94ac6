"""How good recommendations are on loans held out, measured each night before a model is solved.

On a bounded sample of the library: the figures compare ways to recommend with each other, and
nights with nights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from workers.books.arrays import load_arrays
from workers.books.evaluation import BLEND, POPULAR, Library, Report, System, evaluate
from workers.books.loans import Loans, make_loans, split_in_time
from workers.books.read_loans import LibraryLoans
from workers.books.term_weights import weights_in_force
from workers.books.tuning import FEWEST_READERS, TUNING_BOOKS

# Students whose loans are looked at, and of them those that are judged by. Neighbours cost the
# square of the first.
MAX_STUDENTS = 20_000
MAX_READERS = 1_000
INTERVAL = "95 %, bootstrap: 1,000 resamples of the students"
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class OfflineFigures:
    """What a night's evaluation found; the newest tenth of all loans was held out.

    `held_out_from` is the last day of the loans that were known, `readers` those judged by.
    `systems` are the blend as its terms are weighed, as it is shown (diverse), and what people
    would use otherwise; `against` is a system's NDCG@10 less the blend's, for the same students. λ
    and the half-life were chosen on loans before. `newcomers` had no loans before; the NDCG@10 for
    them is None when there are none, and so is the recall@20 of books that nobody had borrowed.
    """

    held_out_from: date
    loans: int
    held_out: int
    readers: int
    ridge: float
    half_life: float
    newcomers: int
    newcomers_ndcg: float | None
    unheard: int
    unheard_recall: float | None
    systems: Sequence[System]
    interval: str = INTERVAL

    def headline(self) -> Mapping[str, object]:
        """Name what one log line says."""
        named = {system.name: system for system in self.systems}
        blend, popular = named[BLEND], named[POPULAR]
        return {
            "readers": self.readers,
            "blend_ndcg": round(blend.ndcg.mean, 4),
            "popular_ndcg": round(popular.ndcg.mean, 4),
            "popular_against_blend": round(popular.against.mean, 4),
            "coverage": round(blend.coverage, 4),
            "head_share": round(blend.head_share, 4),
        }


def measure_offline(library: LibraryLoans) -> OfflineFigures | None:
    """Evaluate on a library's own loans, with the weights that are in force.

    None when too few students borrow before and after a moment for figures to mean anything.

    Raises:
        psycopg.Error: Postgres failed.
    """
    sample = _sample(library.loans)
    if len(split_in_time(sample).readers) < FEWEST_READERS:
        return None
    arrays = load_arrays()
    rows = np.array([arrays.catalog.rows.get(each, -1) for each in library.book_ids], np.int32)
    there = sample.take(rows[sample.books] >= 0)
    loans = make_loans(
        there.students,
        rows[there.books],
        there.times,
        there.ratings,
        shape=(sample.shape[0], len(arrays.catalog)),
    )
    if len(split_in_time(loans).readers) < FEWEST_READERS:
        return None
    report = evaluate(
        loans,
        Library(arrays.catalog, arrays.books.vectors),
        max_books=TUNING_BOOKS,
        max_readers=MAX_READERS,
        weights=weights_in_force(),
        with_ials=False,
    )
    return _figures(report)


def _sample(loans: Loans) -> Loans:
    """Draw students, the same way each time, if there are too many."""
    students = loans.shape[0]
    if students <= MAX_STUDENTS:
        return loans
    drawn = np.random.default_rng(0).permutation(students)[:MAX_STUDENTS]
    place = np.full(students, -1, np.int32)
    place[np.sort(drawn)] = np.arange(MAX_STUDENTS, dtype=np.int32)
    kept = loans.take(place[loans.students] >= 0)
    return make_loans(
        place[kept.students],
        kept.books,
        kept.times,
        kept.ratings,
        shape=(MAX_STUDENTS, loans.shape[1]),
    )


def _figures(report: Report) -> OfflineFigures:
    return OfflineFigures(
        held_out_from=EPOCH + timedelta(days=int(report.at)),
        loans=report.known_loans + report.held_out,
        held_out=report.held_out,
        readers=report.readers,
        ridge=report.choice.ridge,
        half_life=report.choice.half_life,
        newcomers=report.newcomers,
        newcomers_ndcg=_known(report.newcomers_ndcg),
        unheard=report.unheard,
        unheard_recall=_known(report.unheard_recall),
        systems=report.systems,
    )


def _known(mean: float) -> float | None:
    """Say None for the mean of nothing, which JSON has no number for."""
    return None if np.isnan(mean) else mean
