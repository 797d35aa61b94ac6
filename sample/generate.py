"""Invents the sample school: students with hidden tastes, and the books they borrowed in 2026.

Reads catalog.csv beside this file and writes students.csv and checkouts.csv, always the same.
"""

import csv
import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import cycle
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

HERE = Path(__file__).parent
SEED = 20260202
FIRST_DAY = date(2026, 2, 2)
LAST_DAY = date(2026, 10, 30)
WEEKS = 39
GRADES = (3, 4, 5, 6)
STUDENTS_PER_GRADE = 30
CHECKOUTS = 2_500
MIN_CHECKOUTS_PER_STUDENT = 12
TASTES = (
    "fantasy",
    "mystery",
    "science fiction",
    "historical fiction",
    "realistic fiction",
    "humor",
    "animals",
    "nonfiction",
)
TEACHERS = {
    3: ("Ms. Abara", "Mr. Lindqvist"),
    4: ("Mrs. Okonkwo-Reyes", "Mr. Peña"),
    5: ("Ms. Thistlewood", "Mr. Varga"),
    6: ("Mrs. Hallström", "Mr. Dunmore"),
}
STUDENT_COLUMNS = (
    "student_id",
    "grade_level",
    "age",
    "homeroom_teacher",
    "prior_year_reading_score",
    "lunch_period",
    "display_name",
)
# Invented, each given name with each family name at most once.
GIVEN_NAMES = (
    *("Ada", "Amir", "Bea", "Bilal", "Chidi", "Clara", "Dario", "Divya", "Eero", "Elif", "Emeka"),
    *("Farah", "Finn", "Greta", "Hana", "Hugo", "Ines", "Ivo", "Jamal", "June", "Kai", "Kofi"),
    *("Lena", "Luz", "Mateo", "Mina", "Nils", "Noor", "Otis", "Priya", "Quinn", "Rosa", "Ruben"),
    *("Sana", "Sven", "Talia", "Tomas", "Uma", "Yara", "Zoe"),
)
FAMILY_NAMES = (
    *("Adeyemi", "Bergström", "Castillo", "Dimitrov", "Eriksen", "Ferreira", "Gupta", "Haddad"),
    *("Ivanova", "Jansen", "Kowalski", "Larsen", "Moreau", "Nakamura", "O’Brien", "Petrov"),
    *("Quispe", "Rahman", "Santos", "Tanaka", "Ueda", "Vargas", "Weber", "Yilmaz"),
)
NAMES_SEED = 20261128
CHECKOUT_COLUMNS = (
    "checkout_id",
    "student_id",
    "book_id",
    "checkout_date",
    "return_date",
    "student_rating",
)


@dataclass(frozen=True)
class Book:
    """A catalogue row, as far as borrowing it depends on it."""

    book_id: str
    genres: tuple[str, ...]
    level: float


@dataclass(frozen=True)
class Student:
    """An invented student; what follows lunch_period is hidden and never written.

    Levels are grade equivalents (3.4: fourth month of grade 3), level at FIRST_DAY.
    """

    student_id: str
    grade: int
    age: int | None
    teacher: str | None
    prior_score: float | None
    lunch_period: int | None
    leading_taste: str
    second_taste: str
    level: float
    growth_per_week: float
    favourite_weekday: int
    eagerness: float


@dataclass(frozen=True)
class Loan:
    """One checkout; a loan that is still out has no return date."""

    student_id: str
    book_id: str
    taken: date
    returned: date | None
    rating: int | None


def read_catalog(path: Path) -> list[Book]:
    """The books of a catalogue file, in its order."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Book(row["book_id"], tuple(json.loads(row["genre"])), float(row["reading_level"]))
            for row in csv.DictReader(file)
        ]


def invent_students(rng: random.Random) -> list[Student]:
    """Tastes are dealt round by round, so each is equally frequent and independent of grade."""
    total = len(GRADES) * STUDENTS_PER_GRADE
    dealt = [TASTES[index % len(TASTES)] for index in range(total)]
    students: list[Student] = []
    for index, grade in enumerate(GRADES):
        start = index * STUDENTS_PER_GRADE
        tastes = dealt[start : start + STUDENTS_PER_GRADE]
        rng.shuffle(tastes)
        students += [
            invent_student(rng, start + offset + 1, grade, taste)
            for offset, taste in enumerate(tastes)
        ]
    return students


def invent_student(rng: random.Random, number: int, grade: int, leading_taste: str) -> Student:
    """One student, with about one visible cell in twelve left blank."""
    level = min(max(rng.gauss(grade + 0.4, 0.6), 2.0), 7.5)
    return Student(
        student_id=f"S{number:03d}",
        grade=grade,
        age=blank_or(rng, 0.05, grade + rng.choice((5, 5, 6))),
        teacher=blank_or(rng, 0.05, rng.choice(TEACHERS[grade])),
        prior_score=blank_or(rng, 0.15, round(max(level + rng.gauss(-0.5, 0.3), 1.0), 1)),
        lunch_period=blank_or(rng, 0.08, rng.randint(1, 3)),
        leading_taste=leading_taste,
        second_taste=rng.choice([taste for taste in TASTES if taste != leading_taste]),
        level=level,
        growth_per_week=rng.uniform(0.010, 0.025),
        favourite_weekday=rng.randrange(5),
        eagerness=rng.uniform(0.5, 1.5),
    )


def blank_or(rng: random.Random, chance: float, value: T) -> T | None:
    """The value, or None with the given chance in [0, 1]."""
    return None if rng.random() < chance else value


def share_out_checkouts(rng: random.Random, students: Sequence[Student]) -> list[int]:
    """How many books each student borrows: CHECKOUTS in all, more for the eager.

    Never fewer than the minimum, nor more than one a week.
    """
    counts = [MIN_CHECKOUTS_PER_STUDENT] * len(students)
    while sum(counts) < CHECKOUTS:
        (lucky,) = rng.choices(range(len(students)), [student.eagerness for student in students])
        counts[lucky] = min(counts[lucky] + 1, WEEKS)
    return counts


def borrow(rng: random.Random, student: Student, books: Sequence[Book], count: int) -> list[Loan]:
    """The student's loans in the order of their dates; no book twice."""
    unread = list(books)
    loans: list[Loan] = []
    weeks = spread_over_weeks(rng, count)
    tastes = deal_tastes(rng, student, count)
    for week, taste in zip(weeks, tastes, strict=True):
        level = student.level + week * student.growth_per_week
        book = choose_book(rng, taste, level, unread)
        unread.remove(book)
        taken = FIRST_DAY + timedelta(weeks=week, days=choose_weekday(rng, student))
        loans.append(
            Loan(
                student_id=student.student_id,
                book_id=book.book_id,
                taken=taken,
                returned=choose_return(rng, taken),
                rating=choose_rating(rng, liked=student.leading_taste in book.genres),
            )
        )
    return loans


def spread_over_weeks(rng: random.Random, count: int) -> list[int]:
    """As many different weeks, ascending, at nearly even distances, 0 being the first."""
    start = rng.random()
    return [int((position + start) * WEEKS / count) for position in range(count)]


def deal_tastes(rng: random.Random, student: Student, count: int) -> list[str | None]:
    """What each loan looks for: 15 in 20 the leading taste, 3 the second, 2 anything (None).

    Dealt in shuffled tens, so that no stretch of the year is short of the leading taste.
    """
    dealt: list[str | None] = []
    for leading, second, anything in cycle(((8, 1, 1), (7, 2, 1))):
        if len(dealt) >= count:
            break
        deck = [student.leading_taste] * leading + [student.second_taste] * second
        dealt += rng.sample([*deck, *[None] * anything], leading + second + anything)
    return dealt[:count]


def choose_book(
    rng: random.Random, taste: str | None, level: float, unread: Sequence[Book]
) -> Book:
    """A book of that genre, or of any if None, near the level."""
    pool = [book for book in unread if taste is None or taste in book.genres]
    (book,) = rng.choices(pool, [attraction(book, taste, level) for book in pool])
    return book


def attraction(book: Book, taste: str | None, level: float) -> float:
    """Highest at the reader's level, and for a book purely or mainly of the genre sought."""
    nearness = math.exp(-(((book.level - level) / 0.9) ** 2))
    mainly = 4.0 if book.genres[0] == taste else 1.0
    return nearness * mainly / len(book.genres) ** 2 + 1e-9


def choose_weekday(rng: random.Random, student: Student) -> int:
    """Monday is 0, Friday 4; mostly the student's favourite."""
    return student.favourite_weekday if rng.random() < 0.7 else rng.randrange(5)


def choose_return(rng: random.Random, taken: date) -> date | None:
    """A school day about one to three weeks later, None if that lies beyond LAST_DAY."""
    back = taken + timedelta(days=rng.randint(5, 21))
    back += timedelta(days=(7 - back.weekday()) if back.weekday() > 4 else 0)
    return back if back <= LAST_DAY else None


def choose_rating(rng: random.Random, *, liked: bool) -> int | None:
    """1 to 5, higher where the genre is liked; more often than not there is none."""
    (rating,) = rng.choices((1, 2, 3, 4, 5), (1, 3, 12, 44, 40) if liked else (8, 22, 38, 24, 8))
    return blank_or(rng, 0.55, rating)


def student_row(student: Student, name: str) -> tuple[object, ...]:
    """The visible cells, in the order of STUDENT_COLUMNS."""
    return (
        student.student_id,
        student.grade,
        student.age,
        student.teacher,
        student.prior_score,
        student.lunch_period,
        name,
    )


def invent_names(count: int) -> list[str]:
    """As many different names, dealt with a seed of their own: nothing else depends on them."""
    every = [f"{given} {family}" for given in GIVEN_NAMES for family in FAMILY_NAMES]
    return random.Random(NAMES_SEED).sample(every, count)


def checkout_row(number: int, loan: Loan) -> tuple[object, ...]:
    """The cells in the order of CHECKOUT_COLUMNS; dates are written as ISO dates."""
    return (
        f"C{number:04d}",
        loan.student_id,
        loan.book_id,
        loan.taken,
        loan.returned,
        loan.rating,
    )


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """UTF-8, line feeds, None as a blank cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def invent_school(books: Sequence[Book], seed: int = SEED) -> tuple[list[Student], list[Loan]]:
    """The students, and all their loans in the order of their dates."""
    rng = random.Random(seed)
    students = invent_students(rng)
    counts = share_out_checkouts(rng, students)
    loans = [
        loan
        for student, count in zip(students, counts, strict=True)
        for loan in borrow(rng, student, books, count)
    ]
    return students, sorted(loans, key=lambda loan: (loan.taken, loan.student_id))


def main() -> None:
    """Writes both files and says how many rows each holds."""
    students, loans = invent_school(read_catalog(HERE / "catalog.csv"))
    names = invent_names(len(students))
    write_csv(HERE / "students.csv", STUDENT_COLUMNS, map(student_row, students, names))
    numbered = (checkout_row(number, loan) for number, loan in enumerate(loans, start=1))
    write_csv(HERE / "checkouts.csv", CHECKOUT_COLUMNS, numbered)
    print(f"students.csv {len(students)} rows, checkouts.csv {len(loans)} rows")


if __name__ == "__main__":
    main()
