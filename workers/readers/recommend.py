"""Books for a reader's list: what scores a student's loans scores what is on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workers.books.answers import read_shown
from workers.books.arrays import Scoring
from workers.books.history import NEWEST_LOANS, decay
from workers.books.recommend import recommend_to_guest
from workers.books.request_state import ask_for_state, state_of
from workers.books.situation import Guest
from workers.books.student_facts import StudentFacts
from workers.books.wanted import Item, Wanted
from workers.core.stores import connection
from workers.readers.listed import ListedBook
from workers.readers.match import match_books
from workers.readers.shelf import shelf_of
from workers.readers.store import Reader, keep_elsewhere
from workers.readers.titles import embed_titles, titles_elsewhere

# What an answer to a student does without and a reader has never.
NOT_ASKED = ("no_neighbors",)
TITLES_MISSING = "titles_not_embedded"


@dataclass(frozen=True)
class ForReader:
    """Books for a reader, and what the answer had to do without.

    `level` is that of the books on the list, in grades. `matched` of the `listed` books are in the
    catalogue.
    """

    items: Sequence[Item]
    degraded: Sequence[str]
    level: float | None
    listed: int
    matched: int


def match_list(scoring: Scoring, listed: Sequence[ListedBook]) -> list[ListedBook]:
    """Match a list with the catalogue of this moment.

    Raises:
        psycopg.Error: Postgres failed.
    """
    with connection() as conn:
        model_id = state_of(ask_for_state(conn)).model_id
    return match_books(shelf_of(scoring.current(model_id).titles), listed)


def recommend_to_reader(scoring: Scoring, reader: Reader, limit: int) -> ForReader:
    """Recommend books for a list that is matched.

    Raises:
        psycopg.Error: Postgres failed.
    """
    reader = _with_elsewhere(reader)
    ids = [book.book_id for book in reader.books if book.book_id is not None]
    facts = facts_of(reader.books, reader.verdicts, _level(ids))
    wanted = Wanted(limit=limit, shown_again=True)
    answer = recommend_to_guest(scoring, wanted, Guest(facts, reader.elsewhere))
    degraded = [code for code in answer.degraded if code not in NOT_ASKED]
    if reader.elsewhere is None and titles_elsewhere(reader.books).texts:
        degraded.append(TITLES_MISSING)
    return ForReader(answer.items, degraded, facts.level, len(reader.books), len(ids))


def facts_of(
    books: Sequence[ListedBook], verdicts: Mapping[str, str], level: float | None
) -> StudentFacts:
    """Say of a list what is said of a student: the oldest loan first, a day apart.

    A recommended book that the reader liked is one more that they have read.
    """
    loans = [(book.book_id, book.rating) for book in books[::-1] if book.book_id is not None]
    loans += [(book_id, None) for book_id, verdict in verdicts.items() if verdict == "liked"]
    return StudentFacts(
        student_id="",
        grade_level=None,
        level=level,
        slope=None,
        loan_ids=[book_id for book_id, _ in loans],
        loan_days=list(range(len(loans))),
        loan_ratings=[rating for _, rating in loans],
        verdict_ids=list(verdicts),
        verdicts=list(verdicts.values()),
        verdict_ages_s=[0.0] * len(verdicts),
        neighbor_ids=None,
        neighbor_sims=None,
        neighbor_versions=None,
        fresh=None,
        last_event=None,
    )


def _with_elsewhere(reader: Reader) -> Reader:
    """Embed the titles that the catalogue lacks, unless that was done; no connection is held."""
    titles = titles_elsewhere(reader.books)
    if not titles.texts:
        return replace(reader, elsewhere=None)
    made_of = titles.made_of
    if reader.elsewhere is not None and reader.elsewhere_of == made_of:
        return reader
    elsewhere = embed_titles(titles)
    if elsewhere is not None and reader.reader_id is not None:
        keep_elsewhere(reader.reader_id, elsewhere, made_of)
    return replace(reader, elsewhere=elsewhere, elsewhere_of=made_of)


def _level(book_ids: Sequence[str]) -> float | None:
    """Average the levels of the newest books, each weighing less than the last; in grades."""
    newest = book_ids[:NEWEST_LOANS]
    with connection() as conn:
        shown = read_shown(conn, newest)
    weights = decay(len(newest))
    known = [
        (level, weight)
        for book_id, weight in zip(newest, weights.tolist(), strict=True)
        if book_id in shown and (level := shown[book_id].graded) is not None
    ]
    if not known:
        return None
    levels, shares = zip(*known, strict=True)
    return float(np.average(levels, weights=shares))
