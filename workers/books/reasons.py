"""Reasons in words: one sentence per piece of evidence, which says that and no more.

Deterministic, and never about another child: of neighbours it gives a number, never a name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers.books import evidence
from workers.books.evidence import Evidence

NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")


@dataclass(frozen=True)
class Reason:
    """Why a book is recommended. `evidence_ids` are the books that the sentence is about."""

    type: str
    evidence_ids: tuple[str, ...]
    text: str


def say(fact: Evidence, book_id: str, titles: Mapping[str, str | None]) -> Reason:
    """Say a piece of evidence for a book in a sentence.

    `titles` holds those of the books that `book_ids_in` names; one without a title is not named.
    """
    ids = book_ids_in(fact) or (book_id,)
    return Reason(fact.type, ids, _sentence(fact, titles))


def book_ids_in(fact: Evidence) -> tuple[str, ...]:
    """Name the other books that a piece of evidence is about."""
    match fact:
        case evidence.BecauseRead(book_ids):
            return book_ids
        case evidence.LikeRead(book_id) | evidence.NextVolume(book_id):
            return (book_id,)
        case evidence.ReadersOf(book_id):
            return (book_id,)
        case _:
            return ()


def _sentence(fact: Evidence, titles: Mapping[str, str | None]) -> str:  # noqa: PLR0911, PLR0912 (a table)
    match fact:
        case evidence.BecauseRead(book_ids):
            return f"Because you read {_titles(book_ids, titles) or 'books that go with it'}."
        case evidence.LikeRead(book_id, genres):
            both = f": both are {_list(genres)}" if genres else ""
            return f"Like {_titles([book_id], titles) or 'a book'}, which you read{both}."
        case evidence.FitsProfile():
            return "Fits what you like to read."
        case evidence.NeighborsRead(readers):
            return f"{count_readers(readers)} like you borrowed it."
        case evidence.Trending(in_grade):
            return f"Borrowed lately {'around your grade' if in_grade else 'in your library'}."
        case evidence.MatchesLevel(level):
            return f"Matches your level {level:.1f}."
        case evidence.WellRated(stars):
            return f"Readers give it {stars:.1f} of 5 stars."
        case evidence.StaffPick():
            return "Picked by your librarian."
        case evidence.NextVolume(book_id):
            before = _titles([book_id], titles)
            return f"Next in the series{f' after {before}' if before else ' that you began'}."
        case evidence.NewArrival():
            return "New in your library."
        case evidence.Popular(readers):
            return f"{count_readers(readers)} of your library borrowed it."
        case evidence.Unborrowed():
            return "Nobody has borrowed it yet: be the first."
        case evidence.ReadersOf(book_id):
            return f"Readers of {_titles([book_id], titles) or 'that book'} also borrowed it."
        case evidence.MeetsQuery(in_words):
            return "Has words that you asked for." if in_words else "Close to what you asked for."


def _titles(book_ids: Sequence[str], titles: Mapping[str, str | None]) -> str:
    return _list([title for book_id in book_ids if (title := titles.get(book_id))])


def _list(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def count_readers(readers: int) -> str:
    """Say how many readers, as at the head of a sentence.

    >>> count_readers(1), count_readers(12)
    ('One reader', '12 readers')
    """
    name = NUMBERS[readers] if readers < len(NUMBERS) else f"{readers:,}"
    return f"{name} reader{'' if readers == 1 else 's'}"
