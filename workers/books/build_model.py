"""The nightly run that makes a recommendation model: read, choose, measure, solve, store, point.

Nothing is stored before the end, so a killed run begins anew and readers keep the model before.
"""

from dataclasses import asdict
from uuid import UUID

import structlog
from pydantic_core import to_jsonable_python

from workers.books.contract import check_recommendations
from workers.books.loans import split_in_time
from workers.books.model import solve_model
from workers.books.model_store import Solved, activate_model, store_model
from workers.books.offline import measure_offline
from workers.books.read_loans import read_loans
from workers.books.tuning import choose_model
from workers.core.settings import settings
from workers.jobs.runs import RunLease, leased_run

# How much of a run is done once loans are read, λ and the half-life are chosen, and it is known how
# good such a model is.
READ_SHARE, CHOSEN_SHARE, MEASURED_SHARE = 0.05, 0.3, 0.5

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
    offline = measure_offline(library)
    report(MEASURED_SHARE)
    model = solve_model(
        library.loans,
        ridge=choice.ridge,
        max_books=books,
        after_step=lambda done, steps: report(MEASURED_SHARE + (1 - MEASURED_SHARE) * done / steps),
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
            {
                "tried": [asdict(tried) for tried in choice.tried],
                "offline": to_jsonable_python(offline),
            },
        ),
    )
    activate_model(model_id)
    check_recommendations()
    log.info(
        "recommendation_model_built",
        model_id=model_id,
        books=books,
        loans=len(library.loans),
        ridge=choice.ridge,
        half_life=choice.half_life,
    )
    if offline is not None:
        log.info("recommendations_measured", model_id=model_id, **offline.headline())
    return model_id
