"""Case 1: a hundred events for one student are one or two recomputes; the last one counts."""

from tests.failures.cluster import Cluster
from tests.failures.truth import assert_derived_is_right
from tests.library import book, checkout, rows, shelve


def test_a_hundred_events_for_one_student_are_one_or_two_recomputes_that_cover_the_last(
    cluster: Cluster,
) -> None:
    cluster.start_web()
    shelve(*(book(f"B{n}", f"Title {n}") for n in range(100)))
    accepted = cluster.tell([checkout("S1", f"B{n}", days_ago=n) for n in range(100)])
    cluster.start_worker()
    cluster.start_scheduler()
    cluster.all_fresh(keys=2)
    runs = rows("SELECT wanted FROM attempts WHERE kind = 'student_embedding' AND error IS NULL")
    assert 1 <= len(runs) <= 2
    assert rows("SELECT last_event::text FROM student_embeddings") == [(accepted["event_ids"][-1],)]
    assert_derived_is_right()
