"""The contract of the recommendations: how old the model is, and whose answer would be degraded."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection

STORE_CHECK = query("books/contract.store_check")
READ_CONTRACT = query("books/contract.read_contract")


@dataclass(frozen=True)
class RecommendationContract:
    """The model that is read, and what the newest check found; None before the first of either.

    `degraded` of `students` would get an answer that does without something of their own: loans
    (`no_loans`) or neighbours (`no_neighbors`). Without a model, or without vectors of books
    (`no_vectors`), all would.
    """

    model_id: int | None
    model_age_s: float | None
    checked_at: datetime | None
    students: int | None
    degraded: int | None
    no_loans: int | None
    no_neighbors: int | None
    no_vectors: bool | None

    @property
    def degraded_share(self) -> float | None:
        """Share of students whose answer would be degraded, in [0, 1]; None before a check."""
        if self.students is None or self.degraded is None:
            return None
        if self.model_id is None or self.no_vectors:
            return 1.0 if self.students else 0.0
        return self.degraded / self.students if self.students else 0.0

    @property
    def limit_s(self) -> float:
        """How old the model may be, in seconds."""
        return settings().recommendation_model_limit_seconds

    @property
    def ok(self) -> bool:
        """Whether the model is young enough; a library without one is promised none yet."""
        return (self.model_age_s or 0) <= self.limit_s


def check_recommendations() -> None:
    """Count whose answer would be degraded, and keep that; reads every student."""
    spec = settings().student_embedding
    with connection() as conn:
        conn.execute(STORE_CHECK, {"model": spec.model, "dimensions": spec.dimensions})


def read_contract() -> RecommendationContract:
    """Read the contract: a model's row, and the check's."""
    with connection() as conn, conn.cursor(row_factory=class_row(RecommendationContract)) as cursor:
        found = cursor.execute(READ_CONTRACT).fetchone()
    assert found is not None  # noqa: S101  # one row, whatever the tables hold
    return found
