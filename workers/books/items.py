"""Items of an answer: score, parts and reasons of each chosen book, in the words of its facts."""

from collections.abc import Mapping, Sequence

from workers.books.answers import ShownBook
from workers.books.evidence import (
    MAX_REASONS,
    Evidence,
    MeetsQuery,
    NewArrival,
    ReadersOf,
    Witness,
    evidence_for,
    source_of,
)
from workers.books.factors import factors_of
from workers.books.rank import Ranked
from workers.books.reasons import book_ids_in, say
from workers.books.score import BookArrays, Student
from workers.books.wanted import Item, Wanted


def gather_evidence(
    books: BookArrays, students: Sequence[Student], ranked: Ranked, wanted: Wanted
) -> dict[int, list[Evidence]]:
    """Gather what speaks for each chosen book, by its row."""
    found: dict[int, list[Evidence]] = {}
    witnesses: dict[int, Witness] = {}
    for row in ranked.selection.books:
        place = ranked.best_member(row)
        if place not in witnesses:
            witnesses[place] = Witness(books, students[place], ranked.scores, place)
        facts = evidence_for(witnesses[place], row)
        if row in ranked.selection.arrivals:
            facts = [NewArrival(), *facts]
        if wanted.book_id is not None:
            facts = [ReadersOf(wanted.book_id)] if ranked.parts(row)["readers"] > 0 else facts
        if ranked.hits is not None and ranked.hits.relevance[row] > 0:
            facts = [MeetsQuery(bool(ranked.hits.in_words[row])), *facts][:MAX_REASONS]
        found[row] = facts
    return found


def ids_in(evidence: Mapping[int, Sequence[Evidence]]) -> set[str]:
    """Name the books that reasons are about beside those that are shown."""
    return {
        book_id for facts in evidence.values() for fact in facts for book_id in book_ids_in(fact)
    }


def make_items(
    books: BookArrays,
    ranked: Ranked,
    evidence: Mapping[int, Sequence[Evidence]],
    shown: Mapping[str, ShownBook],
    student_ids: Sequence[str],
) -> list[Item]:
    """Make the items of a list; `shown` holds every book of it and of its reasons."""
    titles = {book_id: book.title for book_id, book in shown.items()}
    items = []
    for row in ranked.selection.books:
        book = shown[books.catalog.book_ids[row]]
        parts = ranked.parts(row)
        copies = book.copies_available
        reasons = [say(fact, book.book_id, titles) for fact in evidence[row]]
        items.append(
            Item(
                book_id=book.book_id,
                title=book.title,
                author=book.author,
                level=book.graded,
                available=None if copies is None else copies > 0,
                copies_available=copies,
                copies_total=book.copies_total,
                cover_url=book.cover_url,
                score=sum(parts.values()),
                parts=parts,
                factors=factors_of(parts),
                reasons=reasons,
                reason=reasons[0].text,
                source="arrival" if row in ranked.selection.arrivals else source_of(parts),
                suited=None if ranked.group is None else int(ranked.group.suited[row]),
                read_by=None
                if ranked.group is None
                else [student_ids[place] for place in ranked.group.read_by(row)],
            )
        )
    return items
