"""Apply events to the tables of a library: students, books, loans; and list what became stale.

A list of events is applied in steps, each of which takes one statement per table and not one per
event: first the step's upserts, then its deletions. An event whose effect depends on an earlier
event of the same step opens the next step. So the tables end as if the events had been applied one
by one; only a change that the list itself takes back leaves no trace.

Example: `student_added S1`, `checkout_added S1 B1`, `student_deleted S1` are one step. A
`student_added S1` after them depends on the deletion, and opens a second step.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple, cast
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.vocabulary import Kind
from workers.ingest.apply_platform import (
    delete_posts,
    delete_users,
    insert_actions,
    upsert_posts,
)
from workers.ingest.apply_shelf import add_picks, insert_feedback, remove_picks
from workers.ingest.effects import Effects, Identified, merge, returned_ids
from workers.ingest.events import (
    BookChanged,
    BookDeleted,
    BookFeedback,
    CheckoutAdded,
    CheckoutReturned,
    Event,
    PostChanged,
    PostDeleted,
    StaffPickAdded,
    StaffPickRemoved,
    StudentChanged,
    StudentDeleted,
    UserAction,
    UserDeleted,
)
from workers.ingest.stubs import insert_books, insert_students
from workers.ledger.freshness import forget_keys, lock_keys
from workers.neighbors.changes import lock_graph, record_change

UPDATE_STUDENTS = query("ingest/apply_library.update_students")
UPDATE_BOOKS = query("ingest/apply_library.update_books")
FIND_LOANS = query("ingest/apply_library.find_loans")
MOVE_CHECKOUTS = query("ingest/apply_library.move_checkouts")
INSERT_CHECKOUTS = query("ingest/apply_library.insert_checkouts")
UPDATE_CHECKOUTS = query("ingest/apply_library.update_checkouts")
FIND_READERS = query("ingest/apply_library.find_readers")
LOCK_BOOKS = query("ingest/apply_library.lock_books")
DELETE_BOOKS = query("ingest/apply_library.delete_books")
FIND_HOLDERS = query("ingest/apply_library.find_holders")
DELETE_STUDENTS = query("ingest/apply_library.delete_students")
DELETE_GROUP_ANSWERS = query("ingest/apply_library.delete_group_answers")

STUDENT_KINDS = (Kind.student_embedding, Kind.student_neighbors)

Deletion = StudentDeleted | BookDeleted | PostDeleted | UserDeleted | StaffPickRemoved
SUBJECTS = ("student_id", "book_id", "user_id", "post_id")


class LoanKey(NamedTuple):
    """What a loan is known by, whether it has an id of its own or not."""

    student_id: str
    book_id: str
    checkout_date: date


def apply_events(conn: psycopg.Connection, events: Sequence[Identified]) -> Effects:
    """Apply events in order, inside the caller's transaction.

    Returns:
        The outcome of each event, and the keys that events made stale.

    Raises:
        psycopg.errors.DeadlockDetected: another transaction locked the same rows from the other
            end; ForeignKeyViolation or UniqueViolation: it deleted or stored one of them
            meanwhile. The caller begins anew.
    """
    effects = Effects()
    for upserts, deletions in _steps(events, _known_loans(conn, events)):
        _upsert_books(conn, [e for e in upserts if isinstance(e[1], BookChanged)], effects)
        _upsert_students(conn, [e for e in upserts if isinstance(e[1], StudentChanged)], effects)
        loans = [e for e in upserts if isinstance(e[1], CheckoutAdded | CheckoutReturned)]
        _upsert_checkouts(conn, loans, effects)
        upsert_posts(conn, [e for e in upserts if isinstance(e[1], PostChanged)], effects)
        insert_actions(conn, [e for e in upserts if isinstance(e[1], UserAction)], effects)
        insert_feedback(conn, [e for e in upserts if isinstance(e[1], BookFeedback)], effects)
        add_picks(conn, [e for e in upserts if isinstance(e[1], StaffPickAdded)], effects)
        remove_picks(conn, [e for e in deletions if isinstance(e[1], StaffPickRemoved)], effects)
        _delete_books(conn, [e for e in deletions if isinstance(e[1], BookDeleted)], effects)
        _delete_students(conn, [e for e in deletions if isinstance(e[1], StudentDeleted)], effects)
        delete_posts(conn, [e for e in deletions if isinstance(e[1], PostDeleted)], effects)
        delete_users(conn, [e for e in deletions if isinstance(e[1], UserDeleted)], effects)
    return effects


def _known_loans(conn: psycopg.Connection, events: Sequence[Identified]) -> dict[str, LoanKey]:
    """Read which loans have the ids that the events name, by id."""
    ids = [checkout_id for _, event in events if (checkout_id := _own_id(event)) is not None]
    if not ids:
        return {}
    return {
        checkout_id: LoanKey(*key) for checkout_id, *key in conn.execute(FIND_LOANS, {"ids": ids})
    }


def _own_id(event: Event) -> str | None:
    return event.checkout_id if isinstance(event, CheckoutAdded) else None


def _loan(event: CheckoutAdded | CheckoutReturned) -> LoanKey:
    return LoanKey(event.student_id, event.book_id, event.checkout_date)


def _steps(
    events: Sequence[Identified], known_loans: Mapping[str, LoanKey]
) -> Iterator[tuple[list[Identified], list[Identified]]]:
    loans = dict(known_loans)
    upserts: list[Identified] = []
    deletions: list[Identified] = []
    deleted: set[tuple[str, str]] = set()
    named_ids: dict[LoanKey, str | None] = {}
    for event_id, event in events:
        subjects = {
            (name, value) for name in SUBJECTS if (value := getattr(event, name, None)) is not None
        }
        if isinstance(event, Deletion):
            deletions.append((event_id, event))
            deleted |= subjects
            continue
        depends = bool(subjects & deleted)
        if isinstance(event, CheckoutAdded) and "checkout_id" in event.model_fields_set:
            loan, checkout_id = _loan(event), event.checkout_id
            # It takes the id from another loan, or gives this one another id.
            moves = checkout_id is not None and loans.setdefault(checkout_id, loan) != loan
            depends = depends or moves or named_ids.get(loan, checkout_id) != checkout_id
        if depends:
            yield upserts, deletions
            upserts, deletions, deleted, named_ids = [], [], set(), {}
        if isinstance(event, CheckoutAdded) and "checkout_id" in event.model_fields_set:
            named_ids[_loan(event)] = event.checkout_id
            if event.checkout_id is not None:
                loans[event.checkout_id] = _loan(event)
        upserts.append((event_id, event))
    yield upserts, deletions


def _upsert_students(
    conn: psycopg.Connection, events: Sequence[Identified], effects: Effects
) -> None:
    if not events:
        return
    merged = merge(events, "student_id")
    inserted = insert_students(conn, cast(list[str], list(merged.facts)))
    given = {"ids": list(merged.facts), "facts": [Jsonb(fact) for fact in merged.facts.values()]}
    described_anew: dict[Hashable, bool] = dict(conn.execute(UPDATE_STUDENTS, given).fetchall())
    merged.judge(effects, inserted, set(described_anew))
    for event_id, student_id in merged.keys.items():
        if student_id in inserted or described_anew.get(student_id):
            effects.note(Kind.student_embedding, str(student_id), event_id)


def _upsert_books(conn: psycopg.Connection, events: Sequence[Identified], effects: Effects) -> None:
    if not events:
        return
    merged = merge(events, "book_id")
    inserted = insert_books(conn, cast(list[str], list(merged.facts)))
    given = {"ids": list(merged.facts), "facts": [Jsonb(fact) for fact in merged.facts.values()]}
    described_anew: dict[Hashable, bool] = dict(conn.execute(UPDATE_BOOKS, given).fetchall())
    merged.judge(effects, inserted, set(described_anew))
    described = {book_id for book_id, differs in described_anew.items() if differs}
    for event_id, book_id in merged.keys.items():
        if book_id in described:
            effects.note(Kind.book_embedding, str(book_id), event_id)
    # A book that is new to the table has no readers yet.
    _note_readers(conn, merged.keys, described - inserted, effects)


def _upsert_checkouts(
    conn: psycopg.Connection, events: Sequence[Identified], effects: Effects
) -> None:
    if not events:
        return
    merged = merge(events, "student_id", "book_id", "checkout_date")
    loan_of = {
        event_id: LoanKey(*cast(tuple[str, str, date], key))
        for event_id, key in merged.keys.items()
    }
    loans = list(dict.fromkeys(loan_of.values()))
    columns: dict[str, list[str] | list[date]] = {
        "student_ids": [loan.student_id for loan in loans],
        "book_ids": [loan.book_id for loan in loans],
        "checkout_dates": [loan.checkout_date for loan in loans],
    }
    insert_books(conn, [loan.book_id for loan in loans])
    insert_students(conn, [loan.student_id for loan in loans])

    named = {
        checkout_id: loan
        for loan in loans
        if (checkout_id := merged.facts[loan].get("checkout_id")) is not None
    }
    moved = conn.execute(
        MOVE_CHECKOUTS,
        {
            "checkout_ids": list(named),
            "student_ids": [loan.student_id for loan in named.values()],
            "book_ids": [loan.book_id for loan in named.values()],
            "checkout_dates": [loan.checkout_date for loan in named.values()],
        },
    ).fetchall()
    inserted: set[Hashable] = set(conn.execute(INSERT_CHECKOUTS, columns))
    facts = [Jsonb(merged.facts[loan]) for loan in loans]
    updated: set[Hashable] = set(conn.execute(UPDATE_CHECKOUTS, {**columns, "facts": facts}))

    corrected = {named[checkout_id] for _, checkout_id in moved}
    merged.judge(effects, inserted - corrected, updated | corrected)
    for event_id, loan in loan_of.items():
        if loan in inserted | updated:
            effects.note(Kind.student_embedding, loan.student_id, event_id)
    last_event = {loan: event_id for event_id, loan in loan_of.items()}
    for student_id, checkout_id in moved:
        effects.note(Kind.student_embedding, student_id, last_event[named[checkout_id]])


def _delete_books(conn: psycopg.Connection, events: Sequence[Identified], effects: Effects) -> None:
    if not events:
        return
    keys = {event_id: event.book_id for event_id, event in events if isinstance(event, BookDeleted)}
    returned_ids(conn, LOCK_BOOKS, list(keys.values()))
    _note_readers(conn, keys, set(keys.values()), effects)
    deleted = returned_ids(conn, DELETE_BOOKS, list(keys.values()))
    forget_keys(conn, (Kind.book_embedding,), list(keys.values()))
    for event_id, book_id in keys.items():
        effects.forget((Kind.book_embedding,), book_id)
        effects.outcomes[event_id] = "deleted" if book_id in deleted else "unchanged"


def _delete_students(
    conn: psycopg.Connection, events: Sequence[Identified], effects: Effects
) -> None:
    if not events:
        return
    keys = {
        event_id: event.student_id
        for event_id, event in events
        if isinstance(event, StudentDeleted)
    }
    ids = sorted(set(keys.values()))
    lock_graph(conn)
    # The ledger first: a worker that is storing a result for one of them holds these locks and
    # then touches the student's row, so taking them in its order cannot deadlock with it.
    for kind in STUDENT_KINDS:
        lock_keys(conn, kind, ids)
    event_of = {student_id: event_id for event_id, student_id in keys.items()}
    holders = conn.execute(FIND_HOLDERS, {"ids": ids}).fetchall()
    for deleted_id, holder, members_left in holders:
        if members_left < settings().min_members:
            effects.note(Kind.student_neighbors, holder, event_of[deleted_id])
    deleted = returned_ids(conn, DELETE_STUDENTS, ids)
    conn.execute(DELETE_GROUP_ANSWERS, {"ids": ids})
    record_change(conn, changed=[holder for _, holder, _ in holders], removed=ids)
    forget_keys(conn, STUDENT_KINDS, ids)
    for student_id in ids:
        effects.forget(STUDENT_KINDS, student_id)
    for event_id, student_id in keys.items():
        effects.outcomes[event_id] = "deleted" if student_id in deleted else "unchanged"


def _note_readers(
    conn: psycopg.Connection,
    keys: Mapping[UUID, Hashable],
    changed: set[Hashable],
    effects: Effects,
) -> None:
    """Note that changed books made the embeddings of their readers stale."""
    if not changed:
        return
    readers: dict[Hashable, list[str]] = defaultdict(list)
    for book_id, student_id in conn.execute(FIND_READERS, {"ids": list(changed)}):
        readers[book_id].append(student_id)
    for event_id, book_id in keys.items():
        for student_id in readers[book_id]:
            effects.note(Kind.student_embedding, student_id, event_id)
