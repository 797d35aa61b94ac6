"""Documents that have no vector, and why: retried by policy, given up by policy."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from workers.core.queries import query
from workers.core.reasons import bounded
from workers.core.settings import settings
from workers.core.stores import connection

RECORD = query("documents/failures.record")
CLEAR = query("documents/failures.clear")
FIND_HOPELESS = query("documents/failures.find_hopeless")
FIND_DUE = query("documents/failures.find_due")
LIST = query("documents/failures.list_failures")
COUNT = query("documents/failures.count_failures")
COUNT_BY_REASON = query("documents/failures.count_by_reason")
LIST_IDS = query("documents/failures.list_ids")

MAX_ERROR_CHARACTERS = 500


@dataclass(frozen=True)
class DocumentFailure:
    """What was wrong with a document; a final one is not tried again until its text changes."""

    reason: str
    error: str
    content_hash: int | None = None
    final: bool = True


@dataclass(frozen=True)
class FailedDocument:
    """A failed document as the API shows it; dead ones are given up."""

    doc_id: str
    version: str
    reason: str
    error: str
    attempts: int
    failed_at: datetime
    not_before: datetime | None
    dead_at: datetime | None


def record_failures(
    conn: psycopg.Connection, version: str, failures: Mapping[str, DocumentFailure]
) -> None:
    """Note failed documents; one that failed too often is given up."""
    if not failures:
        return
    found = list(failures.values())
    conn.execute(
        RECORD,
        {
            "version": version,
            "doc_ids": list(failures),
            "reasons": [failure.reason for failure in found],
            "errors": [bounded(failure.error, MAX_ERROR_CHARACTERS) for failure in found],
            "hashes": [
                None if failure.content_hash is None else failure.content_hash.to_bytes(4, "big")
                for failure in found
            ],
            "finals": [failure.final for failure in found],
            "retry_base_seconds": settings().retry_base_seconds,
            "retry_max_seconds": settings().retry_max_seconds,
            "max_attempts": settings().max_attempts,
        },
    )


def clear_failures(
    conn: psycopg.Connection, versions: Sequence[str], doc_ids: Collection[str]
) -> None:
    """Forget the failures of documents that are fine now, or gone."""
    if doc_ids:
        conn.execute(CLEAR, {"versions": list(versions), "doc_ids": list(doc_ids)})


def find_hopeless(version: str, doc_ids: Collection[str]) -> dict[str, int]:
    """Find which of these documents were given up, with the hash of the text that failed."""
    with connection() as conn:
        rows = conn.execute(FIND_HOPELESS, {"version": version, "doc_ids": list(doc_ids)})
        return {doc_id: int.from_bytes(digest, "big") for doc_id, digest in rows}


def find_due(versions: Sequence[str], limit: int) -> list[str]:
    """Failed documents to try again now, by id."""
    with connection() as conn:
        rows = conn.execute(FIND_DUE, {"versions": list(versions), "limit": limit})
        return [doc_id for (doc_id,) in rows]


def list_failures(version: str, limit: int, after: str = "") -> list[FailedDocument]:
    """Failed documents by id."""
    with connection() as conn:
        return (
            conn.cursor(row_factory=class_row(FailedDocument))
            .execute(LIST, {"version": version, "limit": limit, "after": after})
            .fetchall()
        )


def count_failures(version: str) -> int:
    """Count the failed documents of a version."""
    with connection() as conn:
        row = conn.execute(COUNT, {"version": version}).fetchone()
    return int(row[0]) if row else 0


def count_by_reason() -> list[tuple[str, str, bool, int]]:
    """Version, reason, whether given up, count."""
    with connection() as conn:
        return conn.execute(COUNT_BY_REASON).fetchall()


def failed_ids(after: str, limit: int) -> list[str]:
    """List a page of failed documents' ids, of any version."""
    with connection() as conn:
        return [doc_id for (doc_id,) in conn.execute(LIST_IDS, {"after": after, "limit": limit})]
