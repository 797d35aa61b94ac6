"""Fewer components for books' vectors: what a web process can hold and multiply in a moment."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# Components kept. Of the local model's vectors as many carry meaning; more would cost memory and
# time by the book: 1 KB and 0.1 us each.
COMPONENTS = 256
# Vectors that the components are fitted to.
SAMPLE = 4096
# Each round brings the subspace nearer to the leading one; two are enough for cosines.
ROUNDS = 2


@dataclass(frozen=True)
class Projection:
    """The principal components of the books' vectors, (d, c) orthonormal columns; not centred.

    Not centred, so that the product of two projected vectors stays an estimate of their cosine.
    """

    components: Floats

    def project(self, vectors: Floats) -> Floats:
        """Project vectors (n, d) to unit rows (n, c); a row of zeros stays one."""
        projected: Floats = vectors.astype(np.float32) @ self.components
        lengths = np.linalg.norm(projected, axis=-1, keepdims=True)
        np.divide(projected, lengths, out=projected, where=lengths > 0)
        return projected


def fit_projection(sample: Floats) -> Projection:
    """Fit the components to some vectors (n, d): randomized subspace iteration.

    Halko, Martinsson, Tropp 2011. The whole decomposition would hold a web process for seconds.
    """
    dimensions = sample.shape[1]
    if dimensions <= COMPONENTS:
        return Projection(np.eye(dimensions, dtype=np.float32))
    drawn = np.random.default_rng(0).normal(size=(dimensions, COMPONENTS)).astype(np.float32)
    basis, _ = np.linalg.qr(drawn)
    for _ in range(ROUNDS):
        basis, _ = np.linalg.qr(sample.T @ (sample @ basis))
    return Projection(np.ascontiguousarray(basis, dtype=np.float32))
