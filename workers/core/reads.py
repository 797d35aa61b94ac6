"""What is asked of Postgres in one statement, and what its rows mean.

Whoever may wait asks with `ask`. The web's event loop must not wait, and asks in its own way
(routes/http/quick_reads.py); the statement and what it means are the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from workers.core.stores import connection

T = TypeVar("T")
Answer_co = TypeVar("Answer_co", covariant=True)
Row = tuple[Any, ...]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Question(Generic[Answer_co]):
    """`read` makes the answer of all rows; it raises what there is to say against them."""

    statement: str
    parameters: Mapping[str, object]
    read: Callable[[Rows], Answer_co]


def ask(question: Question[T]) -> T:
    """Wait for the answer."""
    with connection() as conn:
        rows = conn.execute(question.statement, question.parameters).fetchall()
    return question.read(rows)
