"""Versions of how terms are weighed: the newest row is in force, at once and everywhere.

Version 0 is the file weights.json of the checkout.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from workers.books.score import TermWeights
from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection

INSERT = query("books/term_weights.insert_weights")
LIST = query("books/term_weights.list_weights")
READ = query("books/term_weights.read_weights")

DEFAULTS = Path(__file__).parents[2] / "weights.json"
MAX_LISTED = 100


@dataclass(frozen=True)
class WeightsVersion:
    """How terms were weighed from a moment on, and who said so."""

    version: int
    weights: Mapping[str, float]
    changed_at: datetime | None
    changed_by: str


@cache
def default_weights() -> TermWeights:
    """Read the weights that hold until somebody changes them."""
    return TermWeights(**json.loads(DEFAULTS.read_text()))


def list_weights() -> list[WeightsVersion]:
    """List the versions, the newest first, down to the file's."""
    with connection() as conn, conn.cursor(row_factory=class_row(WeightsVersion)) as cursor:
        stored = cursor.execute(LIST, {"limit": MAX_LISTED}).fetchall()
    return [*stored, WeightsVersion(0, asdict(default_weights()), None, "weights.json")]


def weights_in_force() -> TermWeights:
    """Read how terms are weighed now."""
    return TermWeights(**list_weights()[0].weights)


def change_weights(weights: TermWeights, changed_by: str) -> int:
    """Weigh terms so from now on; returns the new version."""
    with connection() as conn:
        row = conn.execute(
            INSERT, {"weights": Jsonb(asdict(weights)), "changed_by": changed_by}
        ).fetchone()
    assert row is not None  # noqa: S101  # an insert returns its row
    version: int = row[0]
    return version


def restore_weights(version: int, changed_by: str) -> int:
    """Weigh terms as in an earlier version, which becomes the newest; returns its number.

    Raises:
        UnknownKeyError: there is no such version.
    """
    if version == 0:
        return change_weights(default_weights(), changed_by)
    with connection() as conn, conn.cursor(row_factory=class_row(WeightsVersion)) as cursor:
        stored = cursor.execute(READ, {"version": version}).fetchone()
    if stored is None:
        raise UnknownKeyError("unknown_weights", str(version))
    return change_weights(TermWeights(**stored.weights), changed_by)
