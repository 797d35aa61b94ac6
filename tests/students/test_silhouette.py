"""The silhouette coefficient agrees with scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from workers.students.silhouette import silhouette


@pytest.mark.parametrize("seed", range(5))
def test_silhouettes_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = [str(label) for label in rng.integers(0, 7, 200)] + ["alone"]
    centres = rng.standard_normal((8, 50)) * seed / 4
    vectors = rng.standard_normal((201, 50)) + centres[[*map(int, labels[:-1]), 7]]
    rows = vectors.astype(np.float32)
    rows[3] = rows[4]
    expected = silhouette_score(rows, labels, metric="cosine")
    assert silhouette(rows, labels) == pytest.approx(expected, abs=1e-6)


def test_rows_that_are_all_the_same_have_none() -> None:
    assert silhouette(np.ones((4, 3), np.float32), ["a", "a", "b", "b"]) == pytest.approx(0)
