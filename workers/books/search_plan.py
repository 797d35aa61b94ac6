"""How the nearest books are found: which number of fitting books is compared, and which searched.

Comparing costs by the book that fits. The index yields the nearest in order whether they fit or
not, so it costs the more, the fewer fit: for the nearest n it yields n times as many as there are
books to one that fits.
"""

from dataclasses import dataclass
from math import ceil

# What it costs that the index yields a book, in books that are compared: some 28 microseconds at
# 1,536 components, and 3.5.
YIELDED_COST = 8.0
# Where fitting books lie farther from the query than others do, the index yields more before there
# are enough of them; beyond so many times the number expected it is given up, and all that fit are
# compared.
PATIENCE = 3
# How far a search looks around in the index at once: more finds more and takes longer.
EF_SEARCH = 200


@dataclass(frozen=True)
class SearchPlan:
    """`compared` fitting books at most are compared; of more the index yields `yielded` at most."""

    compared: int
    yielded: int


def plan_search(books: int, most: int) -> SearchPlan:
    """Plan the search for the nearest `most` of so many books.

    Where both cost the same, f books fit: f = cost · most · books / f.

    >>> plan_search(10_000, 100), plan_search(100_000, 100)
    (SearchPlan(compared=2829, yielded=1061), SearchPlan(compared=8945, yielded=3354))
    """
    compared = max(ceil((YIELDED_COST * most * books) ** 0.5), 1)
    return SearchPlan(compared, max(ceil(PATIENCE * most * books / compared), EF_SEARCH))
