"""What a list of events means, said in a few lines of Python: the measure of the SQL."""

from dataclasses import dataclass, field
from typing import Any

from tests.library import rows

Row = dict[str, Any]
LISTS = ("genre", "keywords")
COLUMNS = {
    "students": (
        *("grade_level", "age", "homeroom_teacher", "prior_year_reading_score"),
        *("lunch_period", "display_name"),
    ),
    "books": (
        *("title", "author", "isbn", "genre", "keywords", "description", "page_count"),
        *("publication_year", "difficulty_band", "reading_level", "average_rating"),
        *("language", "series", "series_number", "copies_total", "copies_available", "cover_url"),
    ),
    "checkouts": ("return_date", "student_rating", "checkout_id"),
}


@dataclass
class Facts:
    """The fact tables by primary key, and the ids of the events that made them."""

    students: dict[str, Row] = field(default_factory=dict)
    books: dict[str, Row] = field(default_factory=dict)
    checkouts: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    event_ids: set[str] = field(default_factory=set, compare=False)

    @staticmethod
    def stored() -> "Facts":
        """What the database holds."""

        def table(name: str) -> list[tuple[Row, Row]]:
            found = [row for (row,) in rows(f"SELECT to_jsonb(t) FROM {name} t")]
            return [(row, {column: row[column] for column in COLUMNS[name]}) for row in found]

        return Facts(
            {row["student_id"]: facts for row, facts in table("students")},
            {row["book_id"]: facts for row, facts in table("books")},
            {
                (row["student_id"], row["book_id"], row["checkout_date"]): facts
                for row, facts in table("checkouts")
            },
        )

    def tell(self, events: list[Row]) -> int:
        """Apply events one by one; returns how many of them were new."""
        new = 0
        for event in events:
            if event.get("event_id") in self.event_ids:
                continue
            self.event_ids |= {event["event_id"]} if event.get("event_id") else set()
            self._apply(event)
            new += 1
        return new

    def _apply(self, event: Row) -> None:
        subject, _, verb = event["event_type"].partition("_")
        if subject in ("post", "user"):
            return
        student_id, book_id = event.get("student_id"), event.get("book_id")
        if verb == "deleted":
            self.students.pop(student_id or "", None)
            self.books.pop(book_id or "", None)
            for key in [key for key in self.checkouts if student_id == key[0] or book_id == key[1]]:
                del self.checkouts[key]
            return
        if student_id is not None:
            row = self.students.setdefault(student_id, dict.fromkeys(COLUMNS["students"]))
            if subject == "student":
                row |= _given("students", event)
        if book_id is not None:
            stub = dict.fromkeys(COLUMNS["books"]) | {name: [] for name in LISTS}
            row = self.books.setdefault(book_id, stub)
            if subject == "book":
                row |= _given("books", event)
        if student_id is not None and book_id is not None:
            self._lend((student_id, book_id, event["checkout_date"]), event)

    def _lend(self, loan: tuple[str, str, str], event: Row) -> None:
        """A loan that had this one's own id was this one, named wrongly."""
        own_id = event.get("checkout_id")
        for other in [key for key, row in self.checkouts.items() if row["checkout_id"] == own_id]:
            if own_id is not None and other != loan:
                del self.checkouts[other]
        row = self.checkouts.setdefault(loan, dict.fromkeys(COLUMNS["checkouts"]))
        row |= _given("checkouts", event)


def _given(table: str, event: Row) -> Row:
    return {name: event[name] for name in COLUMNS[table] if name in event}
