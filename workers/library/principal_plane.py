"""Principal component analysis (PCA) to two components: a plane on which vectors alike are near."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# Directions that are followed so that two come out right, and how often they are turned.
FOLLOWED = 8
ROUNDS = 8


@dataclass(frozen=True)
class Plane:
    """The plane through `centre` (d,) along `axes` (d, 2), orthonormal columns.

    `share` in [0, 1] is how much of the variance of the vectors it was fitted to lies in it.
    """

    centre: Floats
    axes: Floats
    share: float

    def place(self, vectors: Floats) -> Floats:
        """Project vectors (n, d) onto the plane: coordinates (n, 2)."""
        return ((vectors - self.centre) @ self.axes).astype(np.float32)


def fit_plane(vectors: Floats) -> Plane:
    """Fit the plane to vectors (n, d), n and d at least 1, by randomized subspace iteration.

    Halko, Martinsson, Tropp 2011; the same vectors give the same plane. An axis points to where its
    largest component is positive, so that a plane is not turned over by a small change.

    >>> plane = fit_plane(np.array([[3, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]], np.float32))
    >>> abs(plane.axes).round(3).T.tolist(), round(plane.share, 3)
    ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], 1.0)
    """
    centre = vectors.mean(axis=0, dtype=np.float32)
    centred = vectors - centre
    dimensions = vectors.shape[1]
    drawn = np.random.default_rng(0).normal(size=(dimensions, min(FOLLOWED, dimensions)))
    basis, _ = np.linalg.qr(drawn.astype(np.float32))
    for _ in range(ROUNDS):
        basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
    along = centred @ basis
    values, turns = np.linalg.eigh(along.T @ along)
    axes = (basis @ turns[:, ::-1])[:, :2]
    if axes.shape[1] < 2:
        axes = np.hstack([axes, np.zeros((dimensions, 1), np.float32)])
    axes = axes * _signs(axes)
    whole = float((centred * centred).sum())
    share = float(values[-2:].sum()) / whole if whole > 0 else 0.0
    return Plane(centre, np.ascontiguousarray(axes, np.float32), min(share, 1.0))


def _signs(axes: Floats) -> Floats:
    """Say for each axis how to turn its largest component positive."""
    largest = axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])]
    signs: Floats = np.where(largest < 0, np.float32(-1), np.float32(1))
    return signs
