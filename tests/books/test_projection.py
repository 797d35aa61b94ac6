"""Fewer components keep the cosines that content is compared by."""

import numpy as np

from workers.books.projection import COMPONENTS, fit_projection


def test_cosines_of_vectors_near_a_few_directions_are_kept() -> None:
    rng = np.random.default_rng(1)
    spread = rng.normal(size=(600, 100)) @ rng.normal(size=(100, 900))
    vectors = (spread + 0.05 * rng.normal(size=spread.shape)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    projected = fit_projection(vectors[:400]).project(vectors)
    assert projected.shape == (600, COMPONENTS)
    np.testing.assert_allclose(projected @ projected.T, vectors @ vectors.T, atol=0.01)


def test_short_vectors_are_kept_as_they_are() -> None:
    vectors = np.eye(8, dtype=np.float32)
    np.testing.assert_array_equal(fit_projection(vectors).project(vectors), vectors)


def test_a_vector_of_zeros_stays_one() -> None:
    sample = np.random.default_rng(2).normal(size=(300, 400)).astype(np.float32)
    assert not fit_projection(sample).project(np.zeros((1, 400), np.float32)).any()
