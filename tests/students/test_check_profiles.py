"""The check of the profiles gives what can be computed by hand."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.graph import store_vectors
from tests.library import book, change, checkout, student
from workers.ingest.record import record_events
from workers.students.check import check_profiles
from workers.students.recompute import recompute_student


def build_profiles(*students: str) -> None:
    for student_id in students:
        recompute_student(student_id)


def test_profiles_by_hand(stores: None) -> None:
    """S1 reads one genre and gives back; S2 changes from one to the other; S3 has one loan."""
    record_events(
        [
            book("F", "Fantasy", genre=["Fantasy"], reading_level=3.0),
            *[book(f"F{n}", "Title", genre=["fantasy "], reading_level=3.0) for n in range(4)],
            *[book(f"M{n}", "Title", genre=["mystery"], reading_level=5.0) for n in range(2)],
            book("?", "Nobody knows"),
            *[checkout("S1", f"F{n}", 10 - n, return_date=None) for n in range(4)],
            checkout("S1", "F", 5),
            *[checkout("S2", f"F{n}", 10 - n) for n in range(2)],
            *[checkout("S2", f"M{n}", 5 - n) for n in range(2)],
            checkout("S3", "?"),
            student("S4"),
        ]
    )
    change("UPDATE checkouts SET return_date = checkout_date + 3 WHERE student_id = 'S1'")
    build_profiles("S1", "S2", "S3")
    change("DELETE FROM student_profiles WHERE student_id = 'S4'")
    quality = check_profiles()
    assert (quality.students, quality.with_profile, quality.sample) == (4, 3, 4)
    # S1 all five; S2 level, bands and genres; S3 and S4 nothing.
    assert quality.profile_completeness == pytest.approx((5 / 5 + 3 / 5 + 0 + 0) / 4)
    # S1 0 bits; S2 nearly 1 bit, its newer loans weigh more; of log2(2) = 1 bit at most.
    assert quality.preference_diversity == pytest.approx(0.5, abs=0.01)
    # S1 the same genre in both halves, S2 quite another.
    assert quality.temporal_consistency == pytest.approx(0.5)


def test_vectors_of_the_same_genre_that_lie_together_are_a_clear_cluster(stores: None) -> None:
    genres = ("fantasy", "mystery")
    record_events(
        [
            *[book(genre, genre, genre=[genre]) for genre in genres],
            *[checkout(f"S{n}", genres[n % 2]) for n in range(8)],
        ]
    )
    build_profiles(*(f"S{n}" for n in range(8)))
    axes = np.eye(256, dtype=np.float32)
    store_vectors({f"S{n}": axes[n % 2] for n in range(8)})
    assert check_profiles().embedding_clustering == pytest.approx(1.0)
    store_vectors({f"S{n}": axes[n // 2 % 2] for n in range(8)})
    mixed = check_profiles().embedding_clustering
    assert mixed is not None
    assert mixed < 0


def test_where_nobody_can_be_counted_there_is_no_figure(client: TestClient) -> None:
    assert client.get("/profiles/quality").json() == {
        "students": 0,
        "with_profile": 0,
        "sample": 0,
        "profile_completeness": None,
        "preference_diversity": None,
        "temporal_consistency": None,
        "embedding_clustering": None,
    }


def test_the_command_and_the_endpoint_say_the_same(client: TestClient) -> None:
    record_events([book("F", "Fantasy", genre=["fantasy"]), checkout("S1", "F")])
    build_profiles("S1")
    done = subprocess.run(
        [sys.executable, "-m", "workers.students.check", "--sample", "20"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert json.loads(done.stdout) == client.get("/profiles/quality").json()
    assert json.loads(done.stdout)["preference_diversity"] == 0
