"""From scores to a list: the best candidates, diverse, with a place in ten for new arrivals."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.books.catalog import Catalog
from workers.books.diversity import (
    DEFAULT_CAPS,
    DIVERSITY,
    MIN_POOL,
    POOL_PER_PLACE,
    Caps,
    choose,
)
from workers.books.exclusions import Rule

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]

# Every so many places one is a new arrival's: new books have no borrowers that speak for them.
ARRIVAL_EVERY = 10
ARRIVAL_DAYS = 60


@dataclass(frozen=True)
class Selection:
    """The rows of the books to show, in order; which of them are there as new arrivals.

    `capped` says of candidates which cap kept them out, by row.
    """

    books: list[int]
    arrivals: frozenset[int]
    capped: dict[int, Rule]


def select_books(
    ranking: Floats,
    allowed: Flags,
    catalog: Catalog,
    vectors: Floats | None,
    *,
    limit: int,
    arrival_fit: Floats | None = None,
    diversity: float = DIVERSITY,
    caps: Caps = DEFAULT_CAPS,
) -> Selection:
    """Choose `limit` distinct allowed books, all of them if there are no more.

    `ranking` (n,) is what to sort by, `arrival_fit` (n,) how well a book would do as a new arrival
    (`fit_of_arrivals`), 0 for one that is none. Places 10, 20, … are the best arrival's, unless
    one is in the list by its score already. The same arrays give the same list.
    """
    pool = best_first(ranking, allowed, max(POOL_PER_PLACE * limit, MIN_POOL))
    chosen = _choose(pool, ranking, catalog, vectors, limit, diversity, caps)
    if len(chosen.books) < limit and len(pool) < np.count_nonzero(allowed):
        # The caps have emptied the pool.
        pool = best_first(ranking, allowed, len(ranking))
        chosen = _choose(pool, ranking, catalog, vectors, limit, diversity, caps)
    if arrival_fit is None:
        return chosen
    return _with_arrivals(chosen, arrival_fit * allowed, catalog, caps, limit)


def best_first(ranking: Floats, allowed: Flags, count: int) -> Ints:
    """Find the rows of the `count` best allowed books, of equal ones the lower row first."""
    rows = np.flatnonzero(allowed)
    values = ranking[rows]
    if count < len(rows):
        # All that equal the last one stay in, or which of them would be chance.
        least = np.partition(values, len(values) - count)[len(values) - count]
        rows, values = rows[values >= least], values[values >= least]
    return rows[np.argsort(-values, kind="stable")[:count]].astype(np.int32)


def fit_of_arrivals(
    catalog: Catalog, content: Floats | None, level: Floats | None, today: int
) -> Floats:
    """Rate the arrivals of the last 60 days (n,) by content and level; 0 for all other books.

    `content` and `level` (n,) are a student's terms. An arrival that fits in neither is none.
    """
    age = today - catalog.added
    new = (catalog.added >= 0) & (age >= 0) & (age <= ARRIVAL_DAYS)
    fit = np.zeros(len(catalog), np.float32)
    for term in (content, level):
        if term is not None:
            fit += term
    return fit * new


def _choose(
    pool: Ints,
    ranking: Floats,
    catalog: Catalog,
    vectors: Floats | None,
    limit: int,
    diversity: float,
    caps: Caps,
) -> Selection:
    chosen = choose(
        np.maximum(ranking[pool], 0),
        None if vectors is None else vectors[pool],
        catalog.author[pool],
        catalog.series[pool],
        limit=limit,
        diversity=diversity,
        caps=caps,
    )
    return Selection(
        [int(pool[place]) for place in chosen.places],
        frozenset(),
        {int(pool[place]): rule for place, rule in chosen.capped.items()},
    )


def _with_arrivals(
    chosen: Selection, fit: Floats, catalog: Catalog, caps: Caps, limit: int
) -> Selection:
    books, arrivals = list(chosen.books), set[int]()
    for place in range(ARRIVAL_EVERY - 1, limit, ARRIVAL_EVERY):
        if place > len(books) or (fit[books[place + 1 - ARRIVAL_EVERY : place + 1]] > 0).any():
            continue
        # The last of a full list makes room.
        kept = books[: limit - 1]
        free = fit * ~_full(kept, catalog, caps)
        free[kept] = 0
        best = int(np.argmax(free))
        if free[best] > 0:
            books = [*kept[:place], best, *kept[place:]]
            arrivals.add(best)
    capped = {row: rule for row, rule in chosen.capped.items() if row not in arrivals}
    return Selection(books, frozenset(arrivals), capped)


def _full(books: list[int], catalog: Catalog, caps: Caps) -> Flags:
    """Say which books (n,) would be one too many of their author or series in a list."""
    full = np.zeros(len(catalog), np.bool_)
    for codes, cap in ((catalog.author, caps.author), (catalog.series, caps.series)):
        if cap is not None:
            code, counts = np.unique(codes[books], return_counts=True)
            full |= np.isin(codes, code[(counts >= cap) & (code >= 0)])
    return full
