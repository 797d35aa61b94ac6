"""Search in the catalogue: what is found by words and by meaning, under filters, and why."""

import csv
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.embeddings_server import EmbeddingsServer, Fault
from tests.library import book, fact, record
from tests.work_off import work_off
from workers.books.nearest_books import BookFilter
from workers.books.search import POOL, Found, search_books
from workers.core.settings import Settings
from workers.core.vocabulary import HASHING_MODEL
from workers.ingest.csv_import import import_csv
from workers.ingest.csv_tables import Table
from workers.operations.load_sample import SAMPLE

pytestmark = pytest.mark.slow

Configure = Callable[..., None]
DEFAULT_DIMENSIONS = Settings.model_fields["embedding_dimensions"].default

Searches = list[dict[str, Any]]
HERE = Path(__file__).parent
# What is embedded of a book, and how, was chosen by these.
SEARCHES: Searches = json.loads((HERE / "searches_by_meaning.json").read_text())
# These were written afterwards, with the books that fit, before anybody saw what is found; nothing
# is to be chosen by them.
HELD_OUT: Searches = json.loads((HERE / "searches_held_out.json").read_text())
HAUNTED = (
    *("Welcome to Dead House", "The Dollhouse Murders", "The House with a Clock in Its Walls"),
    *("The Hidden Staircase", "The Night Gardener"),
)


@pytest.fixture(autouse=True)
def _library(stores: None) -> None:
    """Every test begins with an empty one."""


def load_catalog() -> list[dict[str, str]]:
    work_off(import_csv(Table.catalog, (SAMPLE / "catalog.csv").read_bytes()).notifications)
    with (SAMPLE / "catalog.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def given(*books: tuple[str, Mapping[str, object]]) -> None:
    recorded = record(*(book(f"B{n}", title, **facts) for n, (title, facts) in enumerate(books)))
    work_off(recorded.notifications)


def find(text: str, limit: int = 5, **fitting: object) -> Found:
    return search_books(text, BookFilter(**fitting), limit)  # type: ignore[arg-type]


def titles(text: str, limit: int = 5, **fitting: object) -> list[str | None]:
    return [hit.book.title for hit in find(text, limit, **fitting).hits]


def fitting_share(searches: Searches) -> float:
    """Of five books found by each search by meaning, the share that fits."""
    found = [title in search["fitting"] for search in searches for title in titles(search["query"])]
    assert len(found) == 5 * len(searches)
    return sum(found) / len(found)


@pytest.mark.parametrize("dimensions", [384, DEFAULT_DIMENSIONS])
def test_four_of_five_books_found_by_meaning_fit(configure: Configure, dimensions: int) -> None:
    configure(EMBEDDING_DIMENSIONS=dimensions)
    load_catalog()
    assert fitting_share(SEARCHES) >= 0.8
    # Half and not four of five: the others were chosen by, and these were not.
    assert fitting_share(HELD_OUT) >= 0.45
    haunted = set(titles("ghosts in an old house")) & set(HAUNTED)
    assert len(haunted) >= 3


def test_hashing_alone_finds_fewer_by_meaning_but_finds(configure: Configure) -> None:
    configure(EMBEDDING_DIMENSIONS=384, EMBEDDING_MODEL=HASHING_MODEL)
    load_catalog()
    assert 0.25 <= fitting_share(SEARCHES) < 0.8


def test_titles_and_authors_come_first_when_they_are_asked_for() -> None:
    rows = load_catalog()
    chance = random.Random(1)
    first = [titles(row["title"], 1) == [row["title"]] for row in rows]
    assert sum(first) / len(first) >= 0.95
    surnames = {row["author"].split(" and ")[0].split()[-1] for row in rows}
    by_author = [name in str(find(name, 1).hits[0].book.author) for name in sorted(surnames)]
    assert sum(by_author) / len(by_author) >= 0.9
    third = []
    for row in rows:
        words = row["title"].split()
        if len(words) > 2:
            words.pop(chance.randrange(len(words)))
            third.append(row["title"] in titles(" ".join(words), 3))
    assert sum(third) / len(third) >= 0.95


def test_each_hit_says_by_which_of_its_words_and_whether_by_meaning() -> None:
    given(
        ("The Hobbit", {"keywords": ["dragon"]}),
        ("Dragon Rider", {"author": "Cornelia Funke"}),
        ("Emma", {"author": "Jane Austen"}),
    )
    hits = {hit.book.title: hit for hit in find("the dragon").hits}
    assert list(hits["Dragon Rider"].why.words) == ["dragon"]
    assert list(hits["The Hobbit"].why.words) == ["dragon"]
    assert hits["Emma"].why.words == ()
    assert all(hit.why.meaning is not None for hit in hits.values())
    assert list(hits)[-1] == "Emma"


def test_the_last_word_is_found_by_its_beginning_and_others_are_not() -> None:
    given(("Howl's Moving Castle", {}), ("Mowgli", {}), ("Moving Day", {}))
    assert {hit.book.title for hit in find("howls mov").hits if hit.why.words} >= {
        "Howl's Moving Castle"
    }
    assert [hit.book.title for hit in find("mov castle").hits if hit.why.words] == [
        "Howl's Moving Castle"
    ]


@pytest.mark.parametrize(
    ("asked", "title", "facts"),
    [
        ("preussler", "Krabat", {"author": "Otfried Preußler"}),
        ("LAGERLÖF", "Nils", {"author": "Selma Lagerlof"}),
        ("bücher", "Das Buch", {"language": "de"}),
        ("niños", "El niño", {"language": "es"}),
        ("война", "Война и мир", {"language": "ru"}),
        ("西遊", "西遊記", {"language": "zh"}),
        ("ghost", "Ghosts", {}),
        ("charlottes web", "Charlotte's Web", {}),
        ("o'dell", "Blue Dolphins", {"author": "Scott O\u2019Dell"}),
    ],
)
def test_words_are_found_however_they_are_written(
    asked: str, title: str, facts: dict[str, object]
) -> None:
    given((title, facts), ("Something else", {"author": "Somebody"}))
    (first, *_) = find(asked).hits
    assert first.book.title == title
    assert first.why.words


@pytest.mark.parametrize(
    "text", ["", " ", "???", "' | & !", "a:* <-> b", "%_\\", "\ud7a3🦉", "x" * 200]
)
def test_any_text_is_answered(text: str) -> None:
    given(("Emma", {}))
    find(text)


def test_filters_leave_out_what_does_not_fit_or_is_not_known() -> None:
    given(
        ("Dragons one", {"reading_level": 2.0, "genre": ["Fantasy"], "language": "en"}),
        ("Dragons two", {"reading_level": 4.0, "genre": ["mystery"], "language": "pt-br"}),
        ("Dragons three", {"copies_total": 1, "copies_available": 0}),
    )
    assert titles("dragons", level_min=3.0) == ["Dragons two"]
    assert titles("dragons", level_max=3.0) == ["Dragons one"]
    assert titles("dragons", genres=("fantasy ", "poetry")) == ["Dragons one"]
    assert titles("dragons", language="PT") == ["Dragons two"]
    assert titles("dragons", language="pt-br") == ["Dragons two"]
    assert titles("dragons", language="pt-pt") == []
    assert set(titles("dragons", available=True)) == {"Dragons one", "Dragons two"}


def test_as_many_as_asked_are_found_while_books_fit_and_pages_repeat_none() -> None:
    given(*((f"Book {n}", {"reading_level": n % 10}) for n in range(60)))
    assert len(titles("dragons", 50)) == 50
    assert len(titles("dragons", 50, level_min=9.0)) == 6
    pages = [search_books("book", BookFilter(), 25, skip) for skip in (0, 25, 50)]
    ids = [hit.book.book_id for page in pages for hit in page.hits]
    assert len(ids) == len(set(ids)) == 60 < POOL
    assert [page.more for page in pages] == [True, True, False]


def test_a_book_without_a_vector_is_found_by_its_words() -> None:
    record(book("B1", "Emma"))
    (hit,) = find("emma").hits
    assert (hit.why.meaning, list(hit.why.words)) == (None, ["emma"])


def test_a_deleted_book_is_found_no_more() -> None:
    given(("Emma", {}), ("Persuasion", {}))
    record(fact("book_deleted", book_id="B0"))
    assert titles("emma") == ["Persuasion"]


def test_a_provider_that_is_down_leaves_words_and_says_so(
    embeddings_server: EmbeddingsServer,
) -> None:
    given(("Emma", {}), ("Persuasion", {}))
    embeddings_server.fail_next(Fault("status", 503), times=5)
    found = find("emma")
    assert [hit.book.title for hit in found.hits] == ["Emma"]
    assert found.degraded == ["provider_unavailable"]


def test_the_same_query_is_embedded_once(embeddings_server: EmbeddingsServer) -> None:
    given(("Emma", {}))
    embeddings_server.requests.clear()
    assert find("a village").hits == find("a village").hits
    assert embeddings_server.requests == [["a village"]]
