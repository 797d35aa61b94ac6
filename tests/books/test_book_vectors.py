"""Books' vectors: made from what a catalogue says, renewed when it says otherwise, gone with it."""

from uuid import UUID

import numpy as np
import pytest

from tests.embeddings_server import EmbeddingsServer, vector_of
from tests.library import all_fresh, book, borrowed, fact, ledger, record, rows, stale
from tests.work_off import work_off
from workers.books.vectors import recompute_book, refresh_books
from workers.core.stores import connection
from workers.core.vocabulary import EmbeddingSpec, Kind
from workers.embedding.content_hash import content_hash
from workers.ingest.events import Event

BOOK = Kind.book_embedding
FACTS = {
    "author": "Jane Austen",
    "series": "Highbury",
    "genre": ["humor"],
    "keywords": ["village", "matchmaking"],
    "description": "A rich girl meddles.",
    "difficulty_band": "high_school",
}
TEXT = (
    "Emma. Jane Austen. Highbury. humor. village, matchmaking. village, matchmaking."
    " A rich girl meddles. high school."
)


@pytest.fixture(autouse=True)
def _library(stores: None) -> None:
    """Every test begins with an empty one."""


def settled(*events: Event) -> UUID:
    """Record events and let the workers finish; the id of the last one."""
    recorded = record(*events)
    work_off(recorded.notifications)
    return recorded.event_ids[-1]


def test_a_book_becomes_a_vector_of_the_space_of_students(
    embeddings_server: EmbeddingsServer,
) -> None:
    event_id = settled(book("B1", "Emma", **FACTS))
    assert embeddings_server.requests == [[TEXT]]
    ((model, dimensions, digest, vec, last_event),) = rows(
        "SELECT model, dimensions, content_hash, vec::vector, last_event FROM book_embeddings"
    )
    assert (model, dimensions, last_event) == ("text-embedding-3-small", 256, event_id)
    assert digest == content_hash(EmbeddingSpec(model, dimensions), TEXT)
    np.testing.assert_allclose(vec.to_numpy(), vector_of(TEXT, 256), atol=1e-3)
    assert ledger(BOOK, "wanted", "done") == {"B1": (1, 1)}


def test_the_text_says_nothing_of_ratings_copies_or_the_cover(
    embeddings_server: EmbeddingsServer,
) -> None:
    settled(book("B1", "Emma"))
    settled(
        book("B1", "Emma", average_rating=4.5, isbn="978", copies_total=7),
        book("B1", "Emma", cover_url="https://covers.example/1.jpg", page_count=400),
    )
    assert embeddings_server.inputs == ["Emma."]
    assert stale(BOOK) == set()


def test_copies_that_come_and_go_make_no_vector_stale() -> None:
    settled(book("B1", "Emma", copies_total=2))
    record(book("B1", "Emma", copies_available=0))
    assert stale(BOOK) == set()


def test_a_changed_book_is_embedded_anew_and_so_are_its_readers(
    embeddings_server: EmbeddingsServer,
) -> None:
    settled(book("B1", "Emma"), borrowed("S1", "B1"))
    record(book("B1", "Emma", keywords=["village"]))
    assert (stale(BOOK), stale()) == ({"B1"}, {"S1"})
    before = len(embeddings_server.inputs)
    recompute_book("B1")
    assert embeddings_server.inputs[before:] == ["Emma. village. village."]


def test_a_book_that_only_loans_have_named_has_nothing_to_embed() -> None:
    settled(borrowed("S1", "B1"))
    assert ledger(BOOK, "wanted") == {}
    settled(book("B1", "Emma"))
    assert rows("SELECT book_id FROM book_embeddings") == [("B1",)]


def test_a_deleted_book_leaves_neither_vector_nor_ledger_row() -> None:
    settled(book("B1", "Emma"), book("B2", "Persuasion"))
    settled(fact("book_deleted", book_id="B1"))
    assert rows("SELECT book_id FROM book_embeddings") == [("B2",)]
    assert set(ledger(BOOK, "wanted")) == {"B2"}


def test_a_book_added_and_deleted_in_one_list_leaves_nothing_to_do() -> None:
    recorded = record(book("B1", "Emma"), fact("book_deleted", book_id="B1"))
    assert recorded.notifications == []
    assert ledger(BOOK, "wanted") == {}


def test_a_book_deleted_while_its_vector_is_made_is_not_written(
    embeddings_server: EmbeddingsServer,
) -> None:
    record(book("B1", "Emma"))
    embeddings_server.before_answer = lambda _: record(fact("book_deleted", book_id="B1"))
    assert recompute_book("B1") == []
    assert rows("SELECT book_id FROM book_embeddings") == []
    assert ledger(BOOK, "wanted") == {}


def test_a_text_that_the_provider_refuses_fails_alone(embeddings_server: EmbeddingsServer) -> None:
    embeddings_server.refused = {"Rude"}
    settled(book("B1", "Emma"), book("B2", "Rude"), book("B3", "Persuasion"))
    assert rows("SELECT book_id FROM book_embeddings ORDER BY book_id") == [("B1",), ("B3",)]


def test_books_of_another_model_and_books_without_a_vector_are_marked_stale_at_night() -> None:
    settled(book("B1", "Emma"), book("B2", "Persuasion"), book("B3", "Sanditon"))
    with connection() as conn:
        conn.execute("UPDATE book_embeddings SET model = 'older' WHERE book_id = 'B1'")
        conn.execute("DELETE FROM book_embeddings WHERE book_id = 'B2'")
    all_fresh()
    assert refresh_books() == 2
    assert stale(BOOK) == {"B1", "B2"}
    recompute_book("B1")
    assert rows("SELECT count(*) FROM book_embeddings WHERE model <> 'older'") == [(3,)]
    assert refresh_books() == 0
