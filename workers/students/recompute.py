"""Students' profiles and embeddings: claim, build, render, embed what differs, store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Kind
from workers.embedding.content_hash import content_hash
from workers.embedding.embed_keys import Embedded, embed_keys
from workers.ledger import freshness
from workers.ledger.attempt import Outcome, attempt
from workers.ledger.freshness import Batch, Notification
from workers.students.profile import Loan, Profile, build_profile, render_text

LOAD_STUDENTS = query("students/recompute.load_students")
LOAD_LOANS = query("students/recompute.load_loans")
STORE_PROFILE = query("students/recompute.store_profile")
STORE_EMBEDDING = query("students/recompute.store_embedding")


@dataclass(frozen=True)
class StudentRow:
    """A student as far as the profile needs it; `content_hash` is None without a vector."""

    student_id: str
    grade_level: int | None
    prior_year_reading_score: float | None
    content_hash: bytes | None


@dataclass(frozen=True)
class Draft:
    """A student's new profile and text, and whether that text still has to be embedded."""

    profile: Profile
    text: str
    content_hash: bytes
    unchanged: bool


def recompute_student(key: str) -> list[Notification]:
    """Bring the profile and embedding of `key` and of other stale students up to date.

    One provider request per batch; students whose text is the same as before cost none.

    Returns:
        Messages for the neighbours that are stale now, and for students that are stale again.
    """
    return attempt(Kind.student_embedding, key, recompute_batch) or []


def recompute_batch(batch: Batch) -> Outcome:
    """Recompute one claimed batch; no connection is held across the provider's answer."""
    drafts = _draft(list(batch.claims))
    texts = {key: draft.text for key, draft in drafts.items() if not draft.unchanged}
    return _store(batch, drafts, embed_keys(settings().student_embedding, texts))


def _draft(keys: list[str]) -> dict[str, Draft]:
    spec = settings().student_embedding
    today = datetime.now(UTC).date()
    with connection() as conn:
        students = (
            conn.cursor(row_factory=class_row(StudentRow))
            .execute(
                LOAD_STUDENTS, {"keys": keys, "model": spec.model, "dimensions": spec.dimensions}
            )
            .fetchall()
        )
        rows = conn.cursor(row_factory=dict_row).execute(LOAD_LOANS, {"keys": keys}).fetchall()
    loans = {
        student_id: [Loan(**row) for row in group]
        for student_id, group in groupby(rows, key=lambda row: row.pop("student_id"))
    }
    drafts = {}
    for student in students:
        profile = build_profile(
            loans.get(student.student_id, []),
            today=today,
            half_life_days=settings().half_life_days,
            grade_level=student.grade_level,
            prior_year_reading_score=student.prior_year_reading_score,
        )
        text = render_text(profile)
        digest = content_hash(spec, text)
        drafts[student.student_id] = Draft(profile, text, digest, digest == student.content_hash)
    return drafts


def _store(batch: Batch, drafts: Mapping[str, Draft], embedded: Embedded) -> Outcome:
    """Write results and `done` in one transaction, for the keys whose lease still holds."""
    spec = settings().student_embedding
    with transaction() as conn:
        ours = freshness.confirm_lease(
            conn, batch, [key for key in batch.claims if key not in embedded.failed]
        )
        # A claimed student without a draft has been deleted; its ledger row went with it, or goes
        # as soon as the deletion commits.
        ready = [key for key in ours if key in drafts]
        cursor = conn.cursor()
        cursor.executemany(
            STORE_PROFILE,
            [
                {
                    "student_id": key,
                    "version": drafts[key].profile.version,
                    "profile": Jsonb(drafts[key].profile.as_json()),
                    "text": drafts[key].text,
                }
                for key in ready
            ],
        )
        stored = [key for key in ready if key in embedded.vectors]
        cursor.executemany(
            STORE_EMBEDDING,
            [
                {
                    "student_id": key,
                    "model": spec.model,
                    "dimensions": spec.dimensions,
                    "content_hash": drafts[key].content_hash,
                    "vec": embedded.vectors[key],
                    "last_event": batch.claims[key].last_event,
                }
                for key in stored
            ],
        )
        causes = {key: batch.claims[key].last_event for key in stored}
        raised = freshness.mark_stale(conn, Kind.student_neighbors, causes)
        again = freshness.mark_done(conn, batch, ready, raised)
    return Outcome(
        done=ready,
        failed=embedded.failed,
        notifications=freshness.notifications_of(Kind.student_neighbors, raised)
        + freshness.notifications_of(Kind.student_embedding, again),
    )
