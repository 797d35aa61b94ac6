"""What is borrowed lately, by grade: the trending term's rows."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

MIN_GRADE, MAX_GRADE = -1, 13
GRADE_ROWS = MAX_GRADE - MIN_GRADE + 2
# Of students whose grade is unknown: the loans of everyone.
EVERYONE = GRADE_ROWS - 1
# Grades on either side that count as the same: a grade of a small school borrows too little alone.
GRADE_SPAN = 1
TREND_DAYS = 30
HALF_LIFE_DAYS = 30.0


def grade_row(grade: int | None) -> int:
    """Find the row of a grade in arrays by grade.

    >>> grade_row(-1), grade_row(13), grade_row(None)
    (0, 14, 15)
    """
    return EVERYONE if grade is None else grade - MIN_GRADE


def trending(
    books: Ints, days_ago: npt.ArrayLike, grades: Ints, size: int, *, days: float = TREND_DAYS
) -> Floats:
    """Weigh the loans of the last `days` days by grade and book: (16, size) float32.

    Loan i is of row `books[i]` of the catalogue by a student of row `grades[i]` (`grade_row`);
    each counts `0.5 ** (days_ago / 30)`. A row holds the loans of its grade and of those next to
    it, the last row everyone's. Loans of the future and rows below 0 do not count.
    """
    age = np.asarray(days_ago, np.float64)
    recent = (age >= 0) & (age < days) & (books >= 0)
    amounts = 0.5 ** (age[recent] / HALF_LIFE_DAYS)
    own = np.bincount(
        grades[recent].astype(np.int64) * size + books[recent],
        amounts,
        minlength=GRADE_ROWS * size,
    ).reshape(GRADE_ROWS, size)
    found = np.zeros((GRADE_ROWS, size), np.float32)
    for row in range(EVERYONE):
        found[row] = own[max(row - GRADE_SPAN, 0) : min(row + GRADE_SPAN + 1, EVERYONE)].sum(axis=0)
    found[EVERYONE] = own.sum(axis=0)
    return found
