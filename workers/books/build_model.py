"""The nightly run that makes a recommendation model: read, choose, solve, store, point at it.

Nothing is stored before the end, so a killed run begins anew and readers keep the model before.
"""

from dataclasses import asdict
from uuid import UUID

import structlog

from workers.books.loans import split_in_time
from workers.books.model import solve_model
from workers.books.model_store import Solved, activate_model, store_model
from workers.books.read_loans import read_loans
from workers.books.tuning import choose_model
from workers.core.settings import settings
from workers.jobs.runs import RunLease, leased_run

# How much of a run is done once loans are read, and once λ and the half-life are chosen.
READ_SHARE, CHOSEN_SHARE = 0.05, 0.4

log = structlog.get_logger()


def build_model(run_id: UUID) -> int | None:
    """Build a model and let readers follow it; returns its id.

    None when the run is not ours, or nobody has borrowed anything.

    Raises:
        psycopg.Error: a store failed; the run is resumed later, and begins anew.
    """
    with leased_run(run_id) as lease:
        return None if lease is None else _build(lease)
    return None


def _build(lease: RunLease) -> int | None:
    library = read_loans(settings().recommendation_max_books)
    books = len(library.book_ids)

    def report(share: float) -> None:
        lease.report(total=books, done=round(books * share), progress=share)

    report(READ_SHARE)
    if not books:
        return None
    choice = choose_model(
        split_in_time(library.loans), after_step=lambda _done, _steps: report(READ_SHARE)
    )
    report(CHOSEN_SHARE)
    model = solve_model(
        library.loans,
        ridge=choice.ridge,
        max_books=books,
        after_step=lambda done, steps: report(CHOSEN_SHARE + (1 - CHOSEN_SHARE) * done / steps),
    )
    model_id = store_model(
        lease.run_id,
        Solved(
            [library.book_ids[row] for row in model.rows.tolist()],
            model.weights,
            choice.ridge,
            choice.half_life,
            library.loans.shape[0],
            len(library.loans),
            {"tried": [asdict(tried) for tried in choice.tried]},
        ),
    )
    activate_model(model_id)
    log.info(
        "recommendation_model_built",
        model_id=model_id,
        books=books,
        loans=len(library.loans),
        ridge=choice.ridge,
        half_life=choice.half_life,
    )
    return model_id
