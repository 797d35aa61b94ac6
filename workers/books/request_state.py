"""What may differ from one answer to the next: the model, terms' weights, picks, hidden books."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg.rows import class_row

from workers.books.catalog import Catalog, days_since_1970
from workers.books.history import HALF_LIFE_LOANS
from workers.books.score import TermWeights
from workers.books.term_weights import default_weights
from workers.books.trends import EVERYONE, GRADE_ROWS, grade_row
from workers.core.queries import query

READ_STATE = query("books/request_state.read_state")

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RequestState:
    """The state that an answer is made in; `pick_grades` has None for a pick for all grades."""

    model_id: int | None
    half_life: float | None
    weights_version: int | None
    weights: dict[str, float] | None
    pick_ids: Sequence[str] | None
    pick_grades: Sequence[Sequence[int] | None] | None
    hidden_ids: Sequence[str] | None
    today: date

    @property
    def terms(self) -> TermWeights:
        """How terms are weighed."""
        return default_weights() if self.weights is None else TermWeights(**self.weights)

    @property
    def half_life_loans(self) -> float:
        """After how many newer loans one counts half."""
        return self.half_life or HALF_LIFE_LOANS

    @property
    def day(self) -> int:
        """Today, in days since 1970."""
        return days_since_1970(self.today)


def ask_for_state(conn: psycopg.Connection) -> psycopg.Cursor[RequestState]:
    """Send the question for the state of this moment; a pipeline may ask more at once."""
    return conn.cursor(row_factory=class_row(RequestState)).execute(READ_STATE)


def state_of(cursor: psycopg.Cursor[RequestState]) -> RequestState:
    """Take the state that was asked for."""
    state = cursor.fetchone()
    assert state is not None  # noqa: S101  # one row, whatever the tables hold
    return state


def pick_flags(state: RequestState, catalog: Catalog) -> Flags | None:
    """Say which books are picked, by row of a grade; None when nothing is."""
    if not state.pick_ids:
        return None
    flags = np.zeros((GRADE_ROWS, len(catalog)), np.bool_)
    for book_id, grades in zip(state.pick_ids, state.pick_grades or (), strict=True):
        row = catalog.rows.get(book_id)
        if row is None:
            continue
        if grades is None:
            flags[:, row] = True
        else:
            flags[[grade_row(grade) for grade in grades], row] = True
            flags[EVERYONE, row] = True
    return flags
