"""What a careful client believes the library holds, after everything that it sent is stored."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.library import rows
from workers.ingest.events import (
    BookChanged,
    BookDeleted,
    CheckoutAdded,
    CheckoutReturned,
    Event,
    StudentChanged,
    StudentDeleted,
)

Loan = tuple[str, str, date]
Fields = dict[str, Any]

STUDENT_FIELDS = (
    "grade_level",
    "age",
    "homeroom_teacher",
    "prior_year_reading_score",
    "lunch_period",
)
BOOK_FIELDS = ("title", "author", "genre", "keywords", "reading_level", "page_count")
LOAN_FIELDS = ("checkout_id", "return_date", "student_rating")


@dataclass
class Facts:
    """Rows by key, each with the fields that have been given of it; what is missing is null."""

    students: dict[str, Fields] = field(default_factory=dict)
    books: dict[str, Fields] = field(default_factory=dict)
    loans: dict[Loan, Fields] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """One accepted event, after those before it."""
        given = event.model_dump(exclude_unset=True)
        match event:
            case StudentChanged():
                self.students.setdefault(event.student_id, {}).update(
                    {name: given[name] for name in STUDENT_FIELDS if name in given}
                )
            case StudentDeleted():
                self.students.pop(event.student_id, None)
                self.loans = {k: v for k, v in self.loans.items() if k[0] != event.student_id}
            case BookChanged():
                self.books.setdefault(event.book_id, {}).update(
                    {name: given[name] for name in BOOK_FIELDS if name in given}
                )
            case BookDeleted():
                self.books.pop(event.book_id, None)
                self.loans = {k: v for k, v in self.loans.items() if k[1] != event.book_id}
            case CheckoutAdded() | CheckoutReturned():
                self._lend(event, given)

    def _lend(self, event: CheckoutAdded | CheckoutReturned, given: Fields) -> None:
        self.students.setdefault(event.student_id, {})
        self.books.setdefault(event.book_id, {})
        loan = (event.student_id, event.book_id, event.checkout_date)
        if (name := given.get("checkout_id")) is not None:
            # The library's own name of a loan stays with the loan that was given it last.
            self.loans = {
                k: v for k, v in self.loans.items() if k == loan or v.get("checkout_id") != name
            }
        self.loans.setdefault(loan, {}).update(
            {name: given[name] for name in LOAN_FIELDS if name in given}
        )

    def join(self, other: "Facts") -> "Facts":
        """Both clients' facts; a book that one of them only lends is known to the other."""
        books = {key: {**other.books.get(key, {}), **given} for key, given in self.books.items()}
        return Facts(
            {**self.students, **other.students},
            {**other.books, **books},
            {**self.loans, **other.loans},
        )

    def tables(self) -> dict[str, dict[object, tuple[object, ...]]]:
        """As the tables should show it."""
        return {
            "students": {k: _values(v, STUDENT_FIELDS) for k, v in self.students.items()},
            "books": {k: _values(v, BOOK_FIELDS) for k, v in self.books.items()},
            "checkouts": {k: _values(v, LOAN_FIELDS) for k, v in self.loans.items()},
        }


def stored_tables() -> dict[str, dict[object, tuple[object, ...]]]:
    """As Postgres has it."""
    keys = {
        "students": ("student_id",),
        "books": ("book_id",),
        "checkouts": ("student_id", "book_id", "checkout_date"),
    }
    fields = {"students": STUDENT_FIELDS, "books": BOOK_FIELDS, "checkouts": LOAN_FIELDS}
    found: dict[str, dict[object, tuple[object, ...]]] = {}
    for table, key in keys.items():
        columns = ", ".join((*key, *fields[table]))
        found[table] = {
            row[0] if len(key) == 1 else row[: len(key)]: _comparable(row[len(key) :])
            for row in rows(f"SELECT {columns} FROM {table}")
        }
    return found


def differences(expected: Facts) -> list[str]:
    """What the tables lack, have too much, or have otherwise."""
    found = []
    stored = stored_tables()
    for table, given in expected.tables().items():
        for key in given.keys() | stored[table].keys():
            want, have = given.get(key), stored[table].get(key)
            if want != have:
                found.append(f"{table} {key!r}: given {want}, stored {have}")
    return found


def _values(given: Fields, names: tuple[str, ...]) -> tuple[object, ...]:
    empty = {"genre": (), "keywords": ()}
    return _comparable(tuple(given.get(name, empty.get(name)) for name in names))


def _comparable(values: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in values)
