"""The silhouette coefficient: whether vectors of one label lie together, apart from the others.

Rousseeuw 1987. scikit-learn has it too, and would be 39 MB of every installation for this alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def silhouette(vectors: NDArray[np.float32], labels: Sequence[str]) -> float:
    """Mean over all rows by cosine distance, in [-1, 1]; a label's only row counts 0.

    A row's coefficient is (b - a) / max(a, b): a is its mean distance to the others of its label,
    b the one to the rows of the nearest other label.

    >>> vectors = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    >>> silhouette(vectors, ["a", "a", "b", "b"]), silhouette(vectors, ["a", "b", "a", "b"])
    (1.0, -0.5)
    """
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    distances = np.clip(1 - unit @ unit.T, 0, 2).astype(np.float64)
    np.fill_diagonal(distances, 0)
    names, label = np.unique(labels, return_inverse=True)
    rows, sizes = np.arange(len(label)), np.bincount(label)
    sums = distances @ np.eye(len(names))[label]  # of each row's distances to each label's rows
    within = sums[rows, label] / np.maximum(sizes[label] - 1, 1)
    means = sums / sizes
    means[rows, label] = np.inf
    nearest = means.min(axis=1)
    largest = np.maximum(within, nearest)
    apart = np.divide(nearest - within, largest, out=np.zeros_like(largest), where=largest > 0)
    return float(np.where(sizes[label] > 1, apart, 0).mean())
