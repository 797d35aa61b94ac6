"""Whether a fact that a reason is made of holds, by the arrays that the score was made of."""

import numpy as np
import pytest

from workers.books import evidence as facts
from workers.books.evidence import Evidence
from workers.books.score import BookArrays, Student
from workers.books.trends import EVERYONE


def readers_of(books: BookArrays, book: int) -> int:
    assert books.popularity is not None
    return int(books.popularity[book])


def is_true(  # noqa: PLR0911
    fact: Evidence, books: BookArrays, student: Student, book: int, read: set[str]
) -> bool:
    catalog = books.catalog
    match fact:
        case facts.BecauseRead(book_ids):
            return len(book_ids) > 0 and set(book_ids) <= read
        case facts.LikeRead(book_id, genres):
            rows = [catalog.rows[book_id], book]
            names = [
                {catalog.genre_names[g] for g in np.flatnonzero(catalog.genres[row])}
                for row in rows
            ]
            return book_id in read and set(genres) == names[0] & names[1]
        case facts.FitsProfile():
            return True
        case facts.NeighborsRead(readers):
            liked = [set(each.history.liked.books.tolist()) for each in student.neighbors]
            return readers == sum(book in books_liked for books_liked in liked) > 0
        case facts.Trending(in_grade):
            assert books.trending is not None
            return in_grade == (student.grade_row != EVERYONE) and bool(
                books.trending[student.grade_row, book] > 0
            )
        case facts.MatchesLevel(level):
            promised = min(max(student.slope or 0, -0.5), 0.5)
            off = abs(float(catalog.level[book]) - level - promised)
            return level == student.level and off < 1.02
        case facts.WellRated(stars):
            assert books.rating is not None
            return stars == pytest.approx(1 + 4 * float(books.rating[book])) and stars >= 3.4
        case facts.StaffPick():
            assert books.staff_picks is not None
            return bool(books.staff_picks[student.grade_row, book])
        case facts.NextVolume(book_id):
            before = catalog.rows[book_id]
            return (
                book_id in read
                and bool(catalog.series[before] == catalog.series[book] >= 0)
                and bool(catalog.series_number[before] <= catalog.series_number[book])
            )
        case facts.Popular(readers):
            return readers == readers_of(books, book)
        case facts.Unborrowed():
            return readers_of(books, book) == 0
        case _:
            return False
