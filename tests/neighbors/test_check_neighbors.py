"""The check tells a right graph from a damaged one, and says by how much."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.graph import Vectors, clustered, drain, store_vectors
from workers.core.stores import connection
from workers.neighbors.check import check_neighbors, read_last_check, store_check


@pytest.fixture
def vectors(stores: None) -> Vectors:
    found = {
        f"S{i:03}": vector for i, vector in enumerate(clustered(np.random.default_rng(8), 200, 256))
    }
    store_vectors(found)
    drain()
    return found


def test_a_right_graph_has_full_recall_and_no_error(vectors: Vectors) -> None:
    quality = check_neighbors()
    assert (quality.students, quality.with_vector, quality.sample) == (200, 200, 200)
    assert (quality.coverage, quality.recall, quality.stale_rows) == (1.0, 1.0, 0)
    assert quality.similarity_error is not None
    assert quality.similarity_error < 1e-6
    assert quality.similarity_p5 is not None
    assert quality.similarity_p50 is not None
    assert quality.similarity_p95 is not None
    assert 0.1 <= quality.similarity_p5 <= quality.similarity_p50 <= quality.similarity_p95 <= 1


def test_damage_is_measured(vectors: Vectors) -> None:
    with connection() as conn:
        conn.execute("DELETE FROM student_similarity WHERE a < 'S020'")
        conn.execute("UPDATE student_similarity SET sim = sim - 0.05 WHERE a >= 'S100'")
        conn.execute("UPDATE freshness SET wanted = wanted + 1 WHERE key = 'S150'")
        conn.execute("INSERT INTO students VALUES ('without')")
        row = conn.execute("SELECT count(*) FROM student_similarity WHERE a = 'S150'").fetchone()
    quality = check_neighbors()
    assert quality.coverage == pytest.approx(0.9)
    assert (quality.isolated, quality.without_vector) == (20, 1)
    assert quality.recall == pytest.approx(0.9, abs=0.01)
    assert quality.similarity_error == pytest.approx(0.05 * 100 / 180, abs=0.003)
    assert row == (quality.stale_rows,)


def test_nobody_to_check_is_no_error(stores: None) -> None:
    quality = check_neighbors()
    assert (quality.students, quality.recall, quality.similarity_p50) == (0, None, None)


def test_the_last_stored_check_is_kept(vectors: Vectors) -> None:
    assert read_last_check() == {}
    store_check(check_neighbors())
    assert read_last_check()["recall"] == 1.0


def test_the_command_prints_the_figures(vectors: Vectors) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "workers.neighbors.check", "--sample", "20"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert json.loads(answer.stdout)["sample"] == 20
