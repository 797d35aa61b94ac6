"""The arrays that books are scored with, which a web process holds once."""

from starlette.requests import Request

from workers.books.arrays import Scoring


def scoring_of(request: Request) -> Scoring:
    """Return the arrays of this process."""
    scoring: Scoring = request.state.scoring
    return scoring
