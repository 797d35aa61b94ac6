"""Events without end about students and books that nobody else tells of."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from tests.failures.soak.facts import Facts
from workers.ingest.events import (
    BookChanged,
    BookDeleted,
    CheckoutAdded,
    CheckoutReturned,
    Event,
    StudentChanged,
    StudentDeleted,
)

GENRES = ("fantasy", "mystery", "science", "história", "поэзия", "詩")
# Ids are opaque: separators of paths, quotes, wildcards, several scripts, signs beyond 16 bits.
NAMES = (
    "Zoë/{}",
    "学生:{}",
    "ученик {}",
    'O\'Neil "{}"',
    "🎒{}🏽",
    "%25{}_\\",
    "é́{}?x=1&y",
    "سلمى{}",
)
SHARED_BOOKS = 25
FIRST_DAY = date(2025, 9, 1)


class Story:
    """Made by a seed; `facts` is what has been accepted of it, so what must be stored.

    Books shared by all stories are lent in each; number 0 tells what they are.
    """

    def __init__(self, number: int, seed: int, students: int = 70, books: int = 40) -> None:
        self.number = number
        self.facts = Facts()
        self._random = random.Random(f"{seed} story {number}")
        self._students = [_name(n, f"{number}-{n}") for n in range(students)]
        self._books = [_name(n, f"B{number}-{n}") for n in range(books)]
        self._shared = [f"shared/{n}" for n in range(SHARED_BOOKS)]
        self._loans_lent = 0

    def beginning(self) -> Iterator[Event]:
        """Everyone and every book of our own, and some loans."""
        for book_id in self._books:
            yield self._book(book_id, "book_added")
        for student_id in self._students:
            yield self._student(student_id, "student_added")
            for _ in range(3):
                yield self._checkout(student_id)

    def event(self) -> Event:
        """One more, with an id of its own."""
        makers = {
            self._borrowed: 60,
            self._returned: 15,
            self._corrected: 5,
            self._student_changed: 20,
            self._book_changed: 10,
            self._student_left: 5,
            self._book_dropped: 2,
        }
        (make,) = self._random.choices(list(makers), list(makers.values()))
        return make()

    def _id(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _student(self, student_id: str, event_type: Any) -> Event:
        known: dict[str, Any] = {
            "grade_level": self._random.randint(-1, 13),
            "prior_year_reading_score": self._random.choice([None, 12.5, 40.0, 77.5]),
            "homeroom_teacher": self._random.choice([None, "Ms. Ångström", "李"]),
            "lunch_period": str(self._random.randint(1, 3)),
        }
        some = self._random.sample(sorted(known), self._random.randint(1, len(known)))
        return StudentChanged(
            event_id=self._id(),
            event_type=event_type,
            student_id=student_id,
            **{name: known[name] for name in some},
        )

    def _student_changed(self) -> Event:
        return self._student(self._random.choice(self._students), "student_updated")

    def _student_left(self) -> Event:
        return StudentDeleted(
            event_id=self._id(),
            event_type="student_deleted",
            student_id=self._random.choice(self._students),
        )

    def _book(self, book_id: str, event_type: Any) -> Event:
        return BookChanged(
            event_id=self._id(),
            event_type=event_type,
            book_id=book_id,
            title=f"Title {self._random.randint(0, 999)}: «{book_id}»",
            author=self._random.choice([None, "Ō. Kenzaburō", "N. Gaiman"]),
            genre=self._random.sample(GENRES, self._random.randint(0, 3)),
            reading_level=self._random.randint(2, 20) / 2,
        )

    def _book_changed(self) -> Event:
        shared = self.number == 0 and self._random.random() < 0.3
        books = self._shared if shared else self._books
        return self._book(self._random.choice(books), "book_updated")

    def _book_dropped(self) -> Event:
        return BookDeleted(
            event_id=self._id(),
            event_type="book_deleted",
            book_id=self._random.choice(self._books),
        )

    def _borrowed(self) -> Event:
        return self._checkout(self._random.choice(self._students))

    def _checkout(self, student_id: str, checkout_id: str | None = None) -> Event:
        self._loans_lent += 1
        return CheckoutAdded(
            event_id=self._id(),
            event_type="checkout_added",
            student_id=student_id,
            book_id=self._random.choice(self._books + self._shared),
            checkout_date=FIRST_DAY + timedelta(days=self._random.randrange(120)),
            checkout_id=checkout_id or f"{self.number}/{self._loans_lent}",
        )

    def _returned(self) -> Event:
        loan = self._known_loan()
        if loan is None:
            return self._borrowed()
        student_id, book_id, day = loan
        return CheckoutReturned(
            event_id=self._id(),
            event_type="checkout_returned",
            student_id=student_id,
            book_id=book_id,
            checkout_date=day,
            return_date=day + timedelta(days=self._random.randrange(30)),
            student_rating=self._random.randint(1, 5),
        )

    def _corrected(self) -> Event:
        """The library corrects a loan: its checkout_id comes with another student and book."""
        loan = self._known_loan()
        known = self.facts.loans[loan] if loan else {}
        return self._checkout(self._random.choice(self._students), known.get("checkout_id"))

    def _known_loan(self) -> tuple[str, str, date] | None:
        """One that has been accepted; events of the same list may have ended it meanwhile."""
        loans = list(self.facts.loans)
        return self._random.choice(loans) if loans else None


def _name(number: int, text: str) -> str:
    return NAMES[number % len(NAMES)].format(text)
