"""Loans of neighbours, graded: kept by a process for as long as no event has changed them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg

from workers.books.catalog import Catalog
from workers.books.history import History, grade_groups
from workers.core.metrics import READER_LOANS
from workers.core.queries import query

READ_LOANS = query("books/reader_loans.read_loans")

# The newest loans of a neighbour: with a half-life of 10 the next one weighs an eighth.
NEIGHBOR_LOANS = 30
# Students whose loans a process keeps, half a kilobyte each; then it begins anew.
MAX_KEPT = 20_000


@dataclass(frozen=True)
class _Kept:
    version: str
    history: History


class ReaderLoans:
    """Students' newest loans in the rows of one catalogue, graded with one half-life.

    Each is kept with the version of the student's facts that the ledger tells. Whoever asks names
    the versions that hold now, so nothing that an event has changed is ever used.
    """

    def __init__(self, catalog: Catalog, half_life: float) -> None:
        self._catalog = catalog
        self._half_life = half_life
        self._kept: dict[str, _Kept] = {}

    def fits(self, catalog: Catalog, half_life: float) -> bool:
        """Say whether what is kept is in these rows and graded so."""
        if catalog is not self._catalog and catalog.book_ids == self._catalog.book_ids:
            self._catalog = catalog
        return catalog is self._catalog and half_life == self._half_life

    def find(self, conn: psycopg.Connection, versions: Mapping[str, str]) -> dict[str, History]:
        """Find the loans of students by id, whose versions are those; some may have none."""
        found = {
            student_id: kept.history
            for student_id, version in versions.items()
            if (kept := self._kept.get(student_id)) is not None and kept.version == version
        }
        missing = [student_id for student_id in versions if student_id not in found]
        READER_LOANS.add(len(found), outcome="kept")
        READER_LOANS.add(len(missing), outcome="read")
        return found | self._read(conn, missing) if missing else found

    def _read(self, conn: psycopg.Connection, student_ids: Sequence[str]) -> dict[str, History]:
        read = conn.execute(
            READ_LOANS, {"student_ids": list(student_ids), "most": NEIGHBOR_LOANS}
        ).fetchall()
        rows, ratings, groups = [], [], []
        for place, (_, _, book_ids, given) in enumerate(read):
            rows += [self._catalog.rows.get(book_id, -1) for book_id in book_ids or ()]
            ratings += [np.nan if rating is None else rating for rating in given or ()]
            groups += [place] * len(book_ids or ())
        graded = grade_groups(
            np.array(rows, np.int32),
            np.array(groups, np.int32),
            np.array(ratings, np.float32),
            len(read),
            half_life=self._half_life,
        )
        if len(self._kept) + len(read) > MAX_KEPT:
            self._kept = {}
        found: dict[str, History] = {}
        for (student_id, version, _, _), history in zip(read, graded, strict=True):
            self._kept[student_id] = _Kept(version, history)
            found[student_id] = history
        return found
