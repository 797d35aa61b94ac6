"""Choose a list that is good together: likeness costs, and no author or series fills it.

Maximal marginal relevance (Carbonell, Goldstein 1998) on the books' vectors.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workers.books.exclusions import Rule

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

# What likeness to books already chosen costs, against relevance. Costs 1 to 3 % of NDCG@10; 0.5
# costs 11 %.
DIVERSITY = 0.2
MAX_OF_AUTHOR = 2
MAX_OF_SERIES = 1
# Candidates looked at for each place of the list, the best first.
POOL_PER_PLACE = 10
MIN_POOL = 100


@dataclass(frozen=True)
class Caps:
    """How many books of one author and of one series a list may have; None is any number."""

    author: int | None = MAX_OF_AUTHOR
    series: int | None = MAX_OF_SERIES


DEFAULT_CAPS = Caps()


@dataclass(frozen=True)
class Chosen:
    """A list: `places` into the candidates, in the order to show; `capped` by place kept out."""

    places: list[int]
    capped: dict[int, Rule]


def choose(
    relevance: Floats,
    vectors: Floats | None,
    author: Ints,
    series: Ints,
    *,
    limit: int,
    diversity: float = DIVERSITY,
    caps: Caps = DEFAULT_CAPS,
) -> Chosen:
    """Choose `limit` of m candidates, one after the other, by MMR.

    Candidates come best first: `relevance` (m,) descending and not negative, `vectors` (m, d) unit
    rows or zeros, `author` and `series` (m,) codes, -1 unknown. The next book is the one with the
    most `(1 - diversity) * relevance / best - diversity * likeness`, likeness being the largest
    cosine to a chosen one, 0 at least. Of equal ones the first candidate is taken.
    """
    worth = (1 - diversity) * relevance / max(float(relevance.max(initial=0)), 1e-12)
    likeness = np.zeros(len(relevance), np.float32)
    candidates = len(relevance)
    places: list[int] = []
    capped: dict[int, Rule] = {}
    authors, volumes = Counter[int](), Counter[int]()
    # What is chosen or capped is worth less than anything.
    while len(places) < limit and candidates:
        best = int((worth - diversity * likeness).argmax())
        places.append(best)
        worth[best] = -np.inf
        candidates -= 1
        authors[int(author[best])] += 1
        volumes[int(series[best])] += 1
        for rule, codes, counts, cap in (
            (Rule.SERIES, series, volumes, caps.series),
            (Rule.AUTHOR, author, authors, caps.author),
        ):
            code = int(codes[best])
            if cap is not None and code >= 0 and counts[code] >= cap:
                full = np.flatnonzero((codes == code) & (worth > -np.inf))
                worth[full] = -np.inf
                candidates -= len(full)
                capped |= dict.fromkeys(full.tolist(), rule)
        if vectors is not None and diversity:
            np.maximum(likeness, vectors @ vectors[best], out=likeness)
    return Chosen(places, capped)
