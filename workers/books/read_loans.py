"""Read all loans of a library as arrays: what a model is solved from and evaluated on."""

from dataclasses import dataclass

import numpy as np

from workers.books.loans import Loans, make_loans
from workers.core.queries import query
from workers.core.stores import transaction

LIST_BORROWED = query("books/read_loans.list_borrowed")
READ_LOANS = query("books/read_loans.read_loans")

# Students a round trip fetches: bounds what stands in memory as Python's numbers.
FETCH_STUDENTS = 2000


@dataclass(frozen=True)
class LibraryLoans:
    """Loans of the most borrowed books; `book_ids` names the rows, the most borrowed first."""

    book_ids: list[str]
    student_ids: list[str]
    loans: Loans


def read_loans(max_books: int) -> LibraryLoans:
    """Read the loans of the `max_books` most borrowed books.

    A loan that arrives meanwhile may be missing: it is the next model's.

    Raises:
        psycopg.Error: Postgres failed.
    """
    student_ids: list[str] = []
    lengths: list[int] = []
    columns: list[list[np.ndarray[tuple[int], np.dtype[np.float32]]]] = [[], [], []]
    with transaction() as conn:
        book_ids = [book_id for (book_id,) in conn.execute(LIST_BORROWED, {"max_books": max_books})]
        with conn.cursor("loans", binary=True) as cursor:
            cursor.execute(READ_LOANS, {"book_ids": book_ids})
            while rows := cursor.fetchmany(FETCH_STUDENTS):
                student_ids += [row[0] for row in rows]
                lengths += [len(row[1]) for row in rows]
                for column, place in zip(columns, (1, 2, 3), strict=True):
                    column.append(
                        np.concatenate([np.array(row[place], np.float32) for row in rows])
                    )
    books, days, ratings = (
        np.concatenate(column) if column else np.empty(0, np.float32) for column in columns
    )
    return LibraryLoans(
        book_ids,
        student_ids,
        make_loans(
            np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
            books,
            days,
            np.where(ratings == 0, np.nan, ratings),
            shape=(len(student_ids), len(book_ids)),
        ),
    )
