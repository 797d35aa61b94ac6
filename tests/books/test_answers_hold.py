"""What holds of every answer, whatever the library, the students and the question are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tests.books.truths import is_true
from tests.books.worlds import invented_books, invented_student
from workers.books.answers import ShownBook
from workers.books.diversity import DIVERSITY
from workers.books.evidence import Evidence, MeetsQuery, NewArrival
from workers.books.exclusions import Known
from workers.books.items import gather_evidence, make_items
from workers.books.query_hits import QueryHits
from workers.books.rank import QUERY_WEIGHT, Ranked, rank_books
from workers.books.score import BookArrays, Student, TermWeights
from workers.books.wanted import Item, Wanted

ANSWERS = 10_000
LIBRARIES = 50
BOOKS = 40
WEIGHTS = TermWeights(rating=0.1)
SHOWN = {
    book_id: ShownBook(book_id, f"Title {book_id}", None)
    for book_id in invented_books(0, BOOKS).catalog.book_ids
}


@dataclass(frozen=True)
class Asked:
    """A question and all that it is answered from."""

    books: BookArrays
    students: Sequence[Student]
    known: Sequence[Known]
    wanted: Wanted
    hits: QueryHits | None
    today: int

    def answer(self) -> tuple[Ranked, dict[int, list[Evidence]], list[Item]]:
        ranked = rank_books(
            self.books,
            self.students,
            self.known,
            self.wanted,
            WEIGHTS,
            today=self.today,
            hits=self.hits,
        )
        evidence = gather_evidence(self.books, self.students, ranked, self.wanted)
        return (
            ranked,
            evidence,
            make_items(self.books, ranked, evidence, SHOWN, self.wanted.student_ids),
        )


def random_questions(library: int) -> Iterator[Asked]:
    """Questions of one random library: most for a student, some for a class or with a query."""
    rng = np.random.default_rng(library)
    books = invented_books(library, BOOKS)
    students = [invented_student(1000 * library + each, books) for each in range(20)]
    today = int(books.catalog.added.max()) + 30
    for _ in range(ANSWERS // LIBRARIES):
        size = int(rng.integers(2, 5)) if rng.random() < 0.05 else 1
        group = [students[place] for place in rng.choice(len(students), size, replace=False)]
        queried = rng.random() < 0.2
        relevance = (rng.random(BOOKS) * (rng.random(BOOKS) < 0.4)).astype(np.float32)
        low, high = sorted(rng.uniform(1, 8, 2).tolist())
        yield Asked(
            books,
            group,
            [
                Known(
                    hidden=_some(rng),
                    disliked=_some(rng),
                    seen=each.read,
                    excluded=_some(rng),
                    shown=_some(rng),
                )
                for each in group
            ],
            Wanted(
                student_ids=tuple(f"S{place}" for place in range(size)),
                limit=int(rng.integers(1, 6)),
                query="what" if queried else None,
                levels=(low, high) if rng.random() < 0.3 else None,
                genres=frozenset({"Dogs", "war"}) if rng.random() < 0.2 else None,
                language="EN" if rng.random() < 0.2 else None,
                available=bool(rng.random() < 0.8),
                diversity=float(rng.choice([0, DIVERSITY, 0.6])),
            ),
            QueryHits(relevance, relevance > 0.5) if queried else None,
            today,
        )


def _some(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, BOOKS, rng.integers(0, 4)).astype(np.int32)


def test_ten_thousand_random_answers_sum_fit_repeat_nothing_and_give_true_reasons() -> None:
    questions = (asked for library in range(LIBRARIES) for asked in random_questions(library))
    items = 0
    for number, asked in enumerate(questions):
        ranked, evidence, answered = asked.answer()
        for row, item in zip(ranked.selection.books, answered, strict=True):
            assert_sums(asked, ranked, row, item)
            assert_fits(asked, row)
            assert_true(asked, ranked, row, evidence[row])
        assert len({item.book_id for item in answered}) == len(answered) <= asked.wanted.limit
        if number % 20 == 0:
            assert asked.answer()[2] == answered
        items += len(answered)
    assert number + 1 == ANSWERS
    assert items > 2 * ANSWERS


def assert_sums(asked: Asked, ranked: Ranked, row: int, item: Item) -> None:
    """The parts that are shown sum to what was computed for all books at once."""
    totals = ranked.scores.totals[:, row].astype(float)
    may = [member.rule_of(row) is None for member in ranked.members]
    computed = float(np.where(may, totals, 0).mean())
    if asked.hits is not None:
        computed += QUERY_WEIGHT * float(asked.hits.relevance[row])
    assert abs(sum(item.parts.values()) - computed) <= 1e-6
    assert item.score == sum(item.parts.values())
    assert abs(sum(item.factors.values()) - item.score) <= 1e-6
    assert all(part >= 0 for part in item.parts.values())


def assert_fits(asked: Asked, row: int) -> None:
    """By the catalogue's own columns, for a class by most of its members."""
    catalog, wanted = asked.books.catalog, asked.wanted
    if wanted.levels is not None:
        assert wanted.levels[0] - 1e-6 <= catalog.level[row] <= wanted.levels[1] + 1e-6
    if wanted.genres is not None:
        has = {catalog.genre_names[place] for place in np.flatnonzero(catalog.genres[row])}
        assert has & {"dogs", "war"}
    if wanted.language is not None:
        assert catalog.language_names[catalog.language[row]] == "en"
    if wanted.available:
        assert catalog.copies_available[row] != 0
    kept_from = [
        row in np.concatenate([own.hidden, own.disliked, own.seen, own.excluded])
        for own in asked.known
    ]
    assert sum(kept_from) <= 0.5 * len(kept_from)


def assert_true(asked: Asked, ranked: Ranked, row: int, facts: Sequence[Evidence]) -> None:
    assert facts
    student = asked.students[ranked.best_member(row)]
    read = {asked.books.catalog.book_ids[each] for each in student.read}
    for fact in facts:
        match fact:
            case MeetsQuery(in_words):
                assert asked.hits is not None
                assert asked.hits.relevance[row] > 0
                assert asked.hits.in_words[row] == in_words
            case NewArrival():
                assert 0 <= asked.today - asked.books.catalog.added[row] <= 60
            case _:
                assert is_true(fact, asked.books, student, row, read), fact
