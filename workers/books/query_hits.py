"""How well books meet a query: the catalogue's search, as one more term of recommending."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import psycopg

from workers.books.catalog import Catalog
from workers.books.fusion import fuse
from workers.books.nearest_books import BookFilter, find_nearest
from workers.books.query_vector import QueryVector
from workers.books.search import find_by_words
from workers.books.wanted import Wanted

# Places of each ranking, by meaning and by words: enough that books are left at a student's level.
POOL = 200

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class QueryHits:
    """What a query finds among n books.

    `relevance` (n,) in [0, 1] is 1 for the best hit and 0 for what is none, `in_words` (n,) says
    which books hold words of the query.
    """

    relevance: Floats
    in_words: Flags


def find_hits(
    conn: psycopg.Connection, catalog: Catalog, wanted: Wanted, asked: QueryVector
) -> QueryHits:
    """Find what meets a request's query and filter; by words alone when it has no vector."""
    assert wanted.query is not None  # noqa: S101  # whoever calls has embedded it
    fitting = _fitting(wanted)
    with conn.transaction():
        # First, because what the other sets for its search holds until the end.
        held = find_by_words(conn, wanted.query, fitting, POOL)
        near = find_nearest(conn, asked.vector, fitting, POOL) if asked.vector is not None else []
    fused = fuse(
        [book.book_id for book in near],
        [each.book_id for each in held],
        {each.book_id: each.named for each in held},
    )
    best = fused[0][1] if fused else 1.0
    return QueryHits(
        relevance=_lay_out({book_id: score / best for book_id, score in fused}, catalog),
        in_words=_lay_out(dict.fromkeys((each.book_id for each in held), 1.0), catalog) > 0,
    )


def _fitting(wanted: Wanted) -> BookFilter:
    lowest, highest = wanted.levels or (None, None)
    return BookFilter(
        level_min=lowest,
        level_max=highest,
        genres=None if wanted.genres is None else tuple(sorted(wanted.genres)),
        language=wanted.language,
        available=wanted.available,
    )


def _lay_out(by_id: Mapping[str, float], catalog: Catalog) -> Floats:
    found = np.zeros(len(catalog), np.float32)
    for book_id, value in by_id.items():
        # A book that came in these seconds has no row yet.
        if (row := catalog.rows.get(book_id)) is not None:
            found[row] = value
    return found
