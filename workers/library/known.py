"""Whether somebody and something are there: what a form is about must not be made by it."""

from workers.core.errors import UnknownKeyError
from workers.core.queries import query
from workers.core.stores import connection

KNOW = query("library/known.know")


def must_know(student_id: str | None = None, book_id: str | None = None) -> None:
    """Look for a student, a book, or both.

    Raises:
        UnknownKeyError: one of them is not known.
    """
    with connection() as conn:
        row = conn.execute(KNOW, {"student_id": student_id, "book_id": book_id}).fetchone()
    student, book = row or (False, False)
    if not student:
        raise UnknownKeyError("unknown_student", str(student_id))
    if not book:
        raise UnknownKeyError("unknown_book", str(book_id))
