"""A FAISS index of vectors of length 1 that come, change and go one by one.

An inverted file: k-means sorts vectors into cells, and only some cells are searched. A vector is
kept as its principal components, a byte each, which is less than half a kilobyte. Nothing is stored
on disk: whoever needs the index trains it and puts everyone in.

Distances in it are estimates. What the components leave out makes two vectors seem nearer than they
are, never farther (rounding to bytes aside).
"""

from collections.abc import Iterable
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Ids = NDArray[np.int32]
Distances = NDArray[np.float32]

# Principal components that are kept of longer vectors. More cost memory and time in proportion;
# with fewer, of vectors that are even in all directions 4 in 100 of the nearest are not found.
COMPONENTS = 384
# Cells of the inverted file (`nlist`). More of them make training longer and each cell smaller.
MAX_CELLS = 256
# Vectors per cell that k-means wants, as FAISS has it; with fewer, cells are left out.
POINTS_PER_CELL = 39
TRAINING_VECTORS = MAX_CELLS * POINTS_PER_CELL
# Below so many vectors, components and ranges of bytes would be those of the few that are there.
MIN_TRAINING_VECTORS = 4 * COMPONENTS
# A population that has grown so many times has regions that the cells do not know.
OUTGROWN = 2


class VectorIndex:
    """Vectors by id: numbers from 0 on, chosen by whoever puts them in."""

    rounding: float  # the mean square by which a decoded vector is off

    def __init__(self, sample: Iterable[Vectors], dimensions: int, *, population: int) -> None:
        """Train the index; it is empty then.

        Args:
            sample: vectors of length 1, in blocks of shape (n, dimensions), drawn from those that
                will be put in; `TRAINING_VECTORS` are enough. Without any, it has one cell.
            population: how many will be put in.
        """
        faiss = _faiss()
        blocks = list(sample)
        drawn = np.concatenate(blocks) if blocks else np.eye(1, dimensions, dtype=np.float32)
        self._index = faiss.index_factory(dimensions, _factory(len(drawn), dimensions))
        self._ivf = faiss.extract_index_ivf(self._index)
        self._ivf.cp.min_points_per_centroid = 1  # or it warns on stderr of few students
        # Centres as long as vectors are. Where tastes outnumber cells, a centre of many of them is
        # short, and so not far from anybody: it took 56,000 of 100,000 students.
        self._ivf.cp.spherical = True
        self._index.train(drawn)
        _forget_other_components(faiss, self._index)
        self._ivf.nprobe = self._ivf.nlist
        # By id, where its code stands: to replace or remove it takes no search.
        self._ivf.set_direct_map_type(faiss.DirectMap.Hashtable)
        self._holds = np.zeros(0, bool)
        self._trained_for = max(population, MIN_TRAINING_VECTORS)
        self._puts = 0
        self.rounding = _rounding(faiss, self._ivf)

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return int(self._ivf.nlist)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def outgrown(self) -> bool:
        """Whether there are many more vectors than it was trained for."""
        return len(self) > OUTGROWN * self._trained_for

    @property
    def moved(self) -> float:
        """How many times everyone has been put in, on average."""
        return self._puts / self._trained_for

    def holds(self, ids: Ids) -> NDArray[np.bool_]:
        """Say of each id whether a vector is there."""
        known = ids < len(self._holds)
        known[known] = self._holds[ids[known]]
        return known

    def put(self, ids: Ids, vectors: Vectors) -> None:
        """Add vectors of length 1, shape (len(ids), dimensions), in place of those there were."""
        _faiss()
        self.remove(ids)
        self._index.add_with_ids(vectors, ids.astype(np.int64))
        missing = int(ids.max(initial=-1)) + 1 - len(self._holds)
        if missing > 0:
            self._holds = np.pad(self._holds, (0, missing + len(self._holds) // 4))
        self._holds[ids] = True
        self._puts += len(ids)

    def remove(self, ids: Ids) -> None:
        """Take out the vectors of these ids; those that are not there are none."""
        _faiss()
        there = ids[self.holds(ids)]
        if len(there):
            self._index.remove_ids(there.astype(np.int64))
            self._holds[there] = False

    def codes(self, ids: Ids) -> Vectors:
        """Decode vectors that are there, shape (len(ids), components): what `search` takes."""
        _faiss()
        decoded: Vectors = self._ivf.reconstruct_batch(ids.astype(np.int64))
        return decoded

    def nearest_cells(self, codes: Vectors) -> tuple[NDArray[np.int64], Distances]:
        """Sort all cells by their distance from each code, shape (len(codes), cells)."""
        _faiss()
        distances, cells = self._ivf.quantizer.search(codes, self.cells)
        return cells, distances

    def search(
        self, codes: Vectors, count: int, cells: NDArray[np.int64], distances: Distances
    ) -> tuple[Distances, NDArray[np.int64]]:
        """Find the nearest vectors of each code in some cells.

        Args:
            cells, distances: per code those to look through, as `nearest_cells` gives them; a cell
                of -1 is none.

        Returns:
            Squared distances and ids, nearest first, shape (len(codes), count). Where a row has
            fewer it ends with ids of -1.
        """
        _faiss()
        found: tuple[Distances, NDArray[np.int64]] = self._ivf.search_preassigned(
            codes, count, cells, distances
        )
        return found


def _factory(drawn: int, dimensions: int) -> str:
    """Name the index that so many vectors to train with allow, in the words of FAISS."""
    if drawn < MIN_TRAINING_VECTORS:
        return "IVF1,SQfp16"
    cells = min(MAX_CELLS, drawn // POINTS_PER_CELL)
    components = f"PCA{COMPONENTS}," if dimensions > COMPONENTS else ""
    return f"{components}IVF{cells},SQ8"


def _rounding(faiss: ModuleType, ivf: object) -> float:
    """Compute the mean square of what rounding to bytes adds: each component is even."""
    trained = faiss.vector_to_array(faiss.downcast_index(ivf).sq.trained)
    steps = trained[len(trained) // 2 :] / 255  # smallest values first, then ranges
    return float((steps**2).sum() / 12)


def _forget_other_components(faiss: ModuleType, index: object) -> None:
    """Free what training leaves of components that are not kept: 9 MB of 1,536 dimensions."""
    if isinstance(faiss.downcast_index(index), faiss.IndexPreTransform):
        trained = faiss.downcast_VectorTransform(faiss.downcast_index(index).chain.at(0))
        faiss.Float32Vector().swap(trained.PCAMat)


def _faiss() -> ModuleType:
    """Give the library, which works in the thread that calls it.

    It is imported here because it takes 14 MB of each process that imports it. Threads of OpenMP
    are set for each thread that calls. They wait for each other after every step, for long where
    others want the same cores; and a forked process would wait for those of its parent forever.
    """
    import faiss  # noqa: PLC0415

    faiss.omp_set_num_threads(1)
    return faiss
