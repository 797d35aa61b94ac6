"""Events to profiles, embeddings and stale neighbours, and what it costs at the provider."""

import random
from collections.abc import Callable
from uuid import UUID, uuid4

import numpy as np
import pytest

from tests.embeddings_server import EmbeddingsServer, vector_of
from tests.library import (
    book,
    books,
    change,
    checkout,
    ledger,
    rows,
    stale,
    student,
    student_deleted,
)
from tests.work_off import about_students, work_off
from workers.core.settings import settings
from workers.core.vocabulary import EmbeddingSpec, Kind
from workers.embedding.content_hash import content_hash
from workers.ingest.events import Event
from workers.ingest.read_event import read_event
from workers.ingest.record import record_events
from workers.ledger.contract import summarize
from workers.ledger.freshness import Notification
from workers.students.read import read_neighbors, read_student
from workers.students.recompute import recompute_student
from workers.students.refresh import refresh_students

EMBEDDING, NEIGHBORS = Kind.student_embedding, Kind.student_neighbors
Configure = Callable[..., None]

pytestmark = pytest.mark.usefixtures("stores")


def text_of(student_id: str) -> str:
    ((text,),) = rows("SELECT text FROM student_profiles WHERE student_id = %s", student_id)
    return str(text)


def embedded(student_id: str) -> tuple[str, int, bytes, np.ndarray, UUID | None]:
    (row,) = rows(
        "SELECT model, dimensions, content_hash, vec, last_event FROM student_embeddings"
        " WHERE student_id = %s",
        student_id,
    )
    return row[0], row[1], row[2], row[3].to_numpy(), row[4]


def stored(*events: Event) -> UUID:
    """Record events and let the students' workers finish; the id of the last one."""
    recorded = record_events(events)
    work_off(about_students(recorded.notifications))
    return recorded.event_ids[-1]


def test_an_event_becomes_a_profile_a_vector_and_their_record(
    embeddings_server: EmbeddingsServer,
) -> None:
    event_id = stored(
        book("B1", "Dragons", author="Ann", genre=["fantasy"], reading_level=4.0),
        checkout("S1", "B1", days_ago=3),
    )
    text = "Reading level 4.0, early elementary.\nBands: early elementary 100%.\n"
    text += "Genres: fantasy 100%.\nDragons by Ann. fantasy."
    assert text_of("S1") == text
    assert embeddings_server.requests == [[text]]
    model, dimensions, digest, vec, last_event = embedded("S1")
    assert (model, dimensions, last_event) == ("text-embedding-3-small", 256, event_id)
    assert digest == content_hash(EmbeddingSpec(model, dimensions), text)
    np.testing.assert_allclose(vec, vector_of(text, 256), atol=1e-7)
    found = read_student("S1")
    assert found.profile is not None
    assert found.profile["version"] == 1
    assert found.profile["days_since_last_checkout"] == 3
    assert found.profile["reading_level"] == {
        "value": 4.0,
        "slope_per_30_days": None,
        "confidence": 0.2,
        "method": "checkouts",
    }
    assert found.freshness[EMBEDDING].last_event == event_id
    assert found.freshness[NEIGHBORS].last_event == event_id
    assert all(row.fresh for row in found.freshness.values())


def test_the_text_says_nothing_of_the_person(embeddings_server: EmbeddingsServer) -> None:
    stored(
        student(
            "Secret-Sam",
            grade_level=4,
            age=9,
            homeroom_teacher="Mx. Quill",
            lunch_period="Violet",
            prior_year_reading_score=3.25,
        ),
        book("Book-17", "Dragons", description="Unlike any other."),
        checkout("Secret-Sam", "Book-17", checkout_id="Loan-99", student_rating=5),
    )
    (text,) = embeddings_server.inputs
    assert "Dragons" in text
    for word in ("Secret", "Sam", "Quill", "Violet", "Book-17", "Loan", "Unlike"):
        assert word not in text


def test_a_hundred_events_for_one_student_are_one_recompute_that_covers_the_last(
    embeddings_server: EmbeddingsServer,
) -> None:
    record_events(list(books(100)))
    notifications: list[Notification] = []
    for n in range(100):
        recorded = record_events([checkout("S1", f"B{n}", days_ago=100 - n)])
        notifications += recorded.notifications
    assert len(notifications) == 100
    work_off(notifications)
    assert len(embeddings_server.inputs) == 1
    assert embeddings_server.inputs[0].splitlines()[3] == "Title 99. poetry."
    attempts = rows("SELECT kind, wanted, error FROM attempts ORDER BY attempt_id")
    assert attempts == [("student_embedding", 100, None), ("student_neighbors", 1, None)]
    assert embedded("S1")[4] == recorded.event_ids[-1]


def test_an_event_during_a_run_causes_exactly_one_more_run(
    embeddings_server: EmbeddingsServer,
) -> None:
    record_events(list(books(3)))
    first = record_events([checkout("S1", "B0")])

    def two_more(texts: list[str]) -> None:
        embeddings_server.before_answer = None
        record_events([checkout("S1", "B1")])
        record_events([checkout("S1", "B2")])

    embeddings_server.before_answer = two_more
    notifications = recompute_student("S1")
    assert set(notifications) == {Notification(NEIGHBORS, "S1"), Notification(EMBEDDING, "S1")}
    work_off(notifications)
    assert len(embeddings_server.requests) == 2
    assert "Title 2" in text_of("S1")
    assert ledger(EMBEDDING, "wanted", "done") == {"S1": (3, 3)}
    (effect, _) = read_event(first.event_ids[0]).effects
    assert effect.state == "fresh"


def test_an_unchanged_text_costs_no_input_but_the_profile_is_stored_and_done(
    embeddings_server: EmbeddingsServer,
) -> None:
    stored(*books(1), checkout("S1", "B0", days_ago=20))
    before = embedded("S1")
    change("UPDATE student_profiles SET profile = '{}', updated_at = '2000-01-01'")
    event_id = stored(checkout("S1", "B0", days_ago=20, student_rating=4))
    assert len(embeddings_server.inputs) == 1
    assert read_student("S1").profile != {}
    assert ledger(EMBEDDING, "wanted", "done", "done_event") == {"S1": (2, 2, str(event_id))}
    assert ledger(NEIGHBORS, "wanted", "done") == {"S1": (1, 1)}
    assert embedded("S1")[4] == before[4]
    assert [(link.kind, link.state) for link in read_event(event_id).effects] == [
        (EMBEDDING, "fresh")
    ]


def test_the_nightly_refresh_costs_no_input(embeddings_server: EmbeddingsServer) -> None:
    stored(*books(9), *(checkout(f"S{n}", f"B{n}", days_ago=n) for n in range(9)))
    assert len(embeddings_server.inputs) == 9
    assert refresh_students() == 9
    work_off([Notification(EMBEDDING, "S0")])
    assert ledger(EMBEDDING, "wanted", "done") == {f"S{n}": (2, 2) for n in range(9)}
    assert len(embeddings_server.inputs) == 9


def test_fifty_students_are_one_request(embeddings_server: EmbeddingsServer) -> None:
    stored(*books(50), *(checkout(f"S{n}", f"B{n}") for n in range(50)))
    assert [len(texts) for texts in embeddings_server.requests] == [50]
    assert summarize()[0].fresh == 50


def test_the_chain_leads_from_the_event_to_the_neighbours(
    embeddings_server: EmbeddingsServer,
) -> None:
    event_id = uuid4()
    given = checkout("S1", "B0").model_copy(update={"event_id": event_id})
    stored(*books(2), checkout("S2", "B0"), checkout("S2", "B1"))
    recorded = record_events([given])
    assert recorded.event_ids == [event_id]
    assert [link.state for link in read_event(event_id).effects] == ["stale"]
    follow = recompute_student("S1")
    assert follow == [Notification(NEIGHBORS, "S1")]
    chain = read_event(event_id)
    assert [(link.kind, link.key, link.state) for link in chain.effects] == [
        (EMBEDDING, "S1", "fresh"),
        (NEIGHBORS, "S1", "stale"),
    ]
    assert ledger(NEIGHBORS, "last_event")["S1"] == (str(event_id),)
    work_off(follow)
    chain = read_event(event_id)
    assert [link.state for link in chain.effects] == ["fresh", "fresh"]
    embedding_at, neighbors_at = (link.done_at for link in chain.effects)
    assert embedding_at is not None
    assert neighbors_at is not None
    assert chain.received_at < embedding_at < neighbors_at
    found = read_neighbors("S1").freshness
    assert found is not None
    assert found.last_event == event_id


def test_a_changed_book_costs_inputs_only_for_readers_whose_text_changes(
    embeddings_server: EmbeddingsServer,
) -> None:
    stored(*books(20), *(checkout("many", f"B{n}", days_ago=n) for n in range(20)))
    stored(checkout("few", "B19", days_ago=400), checkout("other", "B3"))
    embeddings_server.requests.clear()
    # For "many" it is the oldest of twenty books: neither its title nor its share is in the text.
    event_id = stored(book("B19", "Renamed", genre=["poetry"], reading_level=2.0))
    readers = {
        key
        for (key,) in rows(
            "SELECT key FROM effects WHERE event_id = %s AND kind = %s", event_id, EMBEDDING
        )
    }
    assert readers == {"many", "few"}
    assert [text.splitlines()[-1] for text in embeddings_server.inputs] == ["Renamed. poetry."]
    stored(book("B19", "Renamed", genre=["poetry"], reading_level=2.0, page_count=99))
    assert len(embeddings_server.inputs) == 1
    assert ledger(EMBEDDING, "wanted", "done")["other"] == (1, 1)


def test_a_student_deleted_while_being_embedded_leaves_nothing_and_is_no_error(
    embeddings_server: EmbeddingsServer,
) -> None:
    record_events([*books(2), checkout("S1", "B0"), checkout("S2", "B1")])

    def delete(texts: list[str]) -> None:
        embeddings_server.before_answer = None
        record_events([student_deleted("S1")])

    embeddings_server.before_answer = delete
    work_off([Notification(EMBEDDING, "S1")])
    assert len(embeddings_server.inputs) == 2
    for table in ("students", "student_embeddings", "student_profiles", "checkouts"):
        assert rows(f"SELECT student_id FROM {table}") == [("S2",)]  # names above
    assert set(ledger(EMBEDDING, "wanted")) == {"S2"}
    assert rows("SELECT DISTINCT key, error FROM attempts") == [("S2", None)]


def test_a_student_deleted_and_added_again_meanwhile_is_embedded_anew(
    embeddings_server: EmbeddingsServer,
) -> None:
    record_events([*books(2), checkout("S1", "B0")])

    def replace(texts: list[str]) -> None:
        embeddings_server.before_answer = None
        record_events([student_deleted("S1")])
        record_events([checkout("S1", "B1")])

    embeddings_server.before_answer = replace
    assert recompute_student("S1") == []
    assert ledger(EMBEDDING, "wanted", "done") == {"S1": (1, 0)}
    work_off([Notification(EMBEDDING, "S1")])
    assert "Title 1" in text_of("S1")


def test_another_model_or_dimension_embeds_again_and_compares_only_its_own_vectors(
    configure: Configure, embeddings_server: EmbeddingsServer
) -> None:
    stored(*books(1), *(checkout(f"S{n}", "B0", days_ago=n) for n in range(6)))
    assert len(read_neighbors("S0").neighbors) == 5
    for changed in (
        {"EMBEDDING_MODEL": "text-embedding-3-large"},
        {"EMBEDDING_DIMENSIONS": 128},
    ):
        configure(**changed, EMBEDDING_BATCH_SIZE=3)
        embeddings_server.requests.clear()
        refresh_students()
        notifications = recompute_student("S0")
        assert len(embeddings_server.inputs) == 3
        assert embedded("S0")[:2] == (settings().model, settings().embedding_dimensions)
        work_off([notification for notification in notifications if notification.kind == NEIGHBORS])
        new = {
            student_id
            for (student_id,) in rows(
                "SELECT student_id FROM student_embeddings WHERE model = %s AND dimensions = %s",
                settings().model,
                settings().embedding_dimensions,
            )
        }
        assert len(new) == 3
        assert {neighbor.student_id for neighbor in read_neighbors("S0").neighbors} == new - {"S0"}
        work_off([Notification(EMBEDDING, "S5")])
        assert len(embeddings_server.inputs) == 6
        assert len(read_neighbors("S5").neighbors) == 5
        assert set(ledger(EMBEDDING, "error").values()) == {(None,)}
        assert stale() == stale(NEIGHBORS) == set()


def test_a_thousand_checkouts_cost_no_more_than_their_texts_and_again_nothing(
    embeddings_server: EmbeddingsServer,
) -> None:
    record_events(list(books(60)))
    chance = random.Random(1)
    loans = {
        (f"S{n % 50:02}", f"B{chance.randrange(60)}", chance.randrange(200)) for n in range(1200)
    }
    events = [checkout(*loan) for loan in sorted(loans)][:1000]
    assert len(events) == 1000
    first = record_events(events)
    work_off(first.notifications)
    students = {event.student_id for event in events}
    texts = {text for (text,) in rows("SELECT text FROM student_profiles")}
    assert len(embeddings_server.requests) <= len(students) / 25
    assert sorted(embeddings_server.inputs) == sorted(texts)
    assert [(kind.fresh, kind.coverage) for kind in summarize()[:2]] == [(len(students), 1.0)] * 2
    embeddings_server.requests.clear()
    again = record_events(events)
    assert again.outcomes == ["unchanged"] * 1000
    work_off(again.notifications)
    assert embeddings_server.requests == []
