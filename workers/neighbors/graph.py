"""This process's copy of the neighbour graph, kept current with what other workers commit.

Students get indexes; lists are two arrays of (capacity, depth). With exact search the copy also
holds every vector, scaled to length 1, as one matrix: 61 MB for 10,000 students x 1,536. Among more
it holds a FAISS index of them: 51 MB for 100,000 students, and as much again for what is around it.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import numpy as np
import psycopg
from numpy.typing import NDArray

from workers.core.queries import query
from workers.core.settings import settings
from workers.neighbors.candidates import Stretch, measure_stretch
from workers.neighbors.changes import CHANGES_KEPT_S, newest_change, read_changes, record_change
from workers.neighbors.faiss_index import TRAINING_VECTORS, VectorIndex
from workers.neighbors.strategy import Search
from workers.neighbors.topk_lists import Edges, Indexes, Similarities, floors, rank

READ_IDS = query("neighbors/graph.read_ids")
READ_VECTORS = query("neighbors/graph.read_vectors")
READ_LISTS = query("neighbors/graph.read_lists")
FIND_OTHER_MODELS = query("neighbors/graph.find_other_models")
DELETE_LISTS = query("neighbors/graph.delete_lists")
DELETE_STRAYS = query("neighbors/graph.delete_strays")

# A copy that has not followed for half of that is loaded anew: changes it needs may be gone.
FOLLOWS_FOR_S = CHANGES_KEPT_S / 2
LOAD_BLOCK = 500
# An index is trained anew once everyone has been put in so many times, by then somewhere else.
MOVED = 10
# And before it could be measured how far off it is, because there were no lists when it was loaded.
MOVED_UNMEASURED = 2
Vectors = NDArray[np.float32]
Row = tuple[str, str, float]


class NeighborGraph:
    """Students by index, their lists, and their vectors as the search needs them."""

    def __init__(self, conn: psycopg.Connection, search: Search) -> None:
        """Load everything; changes that commit meanwhile are followed by the next `sync`."""
        self.depth = settings().max_neighbors + settings().neighbor_slack
        self.search = search
        self.ids: list[str] = []
        self.index: dict[str, int] = {}
        self.members: Indexes = np.empty((0, self.depth), np.int32)
        self.sims: Similarities = np.empty((0, self.depth), np.float32)
        # The similarity from which somebody belongs in a list.
        self.entries: Similarities = np.empty(0, np.float32)
        self.vectors: Vectors = np.empty((0, 0), np.float32)
        self.ivf: VectorIndex | None = None
        # How far off that is; None until there are lists to measure it by.
        self.stretch: Stretch | None = None
        self.moved = 0  # by the last batch
        self.seq = newest_change(conn)
        self.mixed_models = has_other_models(conn)
        self._followed_at = time.monotonic()
        ids = read_ids(conn)
        self.add(ids)
        if search is Search.ivf:
            dimensions = settings().embedding_dimensions
            self.ivf = VectorIndex(_sample(conn, ids), dimensions, population=len(ids))
        for start in range(0, len(ids), LOAD_BLOCK):
            block = ids[start : start + LOAD_BLOCK]
            if search is not Search.hnsw:
                self._set_vectors(read_vectors(conn, block))
            self._set_lists(block, read_lists(conn, block))
        if self.ivf is not None:
            lists = self.members[: self.size], self.sims[: self.size]
            self.stretch = measure_stretch(self.ivf, *lists)

    @property
    def size(self) -> int:
        """How many indexes are in use, by students that are there or that have been removed."""
        return len(self.ids)

    @property
    def outdated(self) -> bool:
        """Whether it has to be loaded anew.

        Changes that it has not seen may have been pruned, or its index was trained for a population
        that has grown or moved since, or before there were lists.
        """
        lost = time.monotonic() - self._followed_at > FOLLOWS_FOR_S
        if self.ivf is None:
            return lost
        unmeasured = self.stretch is None and self.ivf.moved > MOVED_UNMEASURED
        return lost or unmeasured or self.ivf.outgrown or self.ivf.moved > MOVED

    def add(self, ids: Iterable[str]) -> None:
        """Give new students indexes and empty lists."""
        for student_id in ids:
            if student_id not in self.index:
                self.index[student_id] = len(self.ids)
                self.ids.append(student_id)
        missing = len(self.ids) - len(self.members)
        if missing > 0:
            room = missing + len(self.ids) // 4 + 64
            self.members = np.concatenate([self.members, np.full((room, self.depth), -1, np.int32)])
            self.sims = np.concatenate(
                [self.sims, np.full((room, self.depth), -np.inf, np.float32)]
            )
            self.entries = np.concatenate(
                [self.entries, np.full(room, settings().min_similarity, np.float32)]
            )

    def sync(self, conn: psycopg.Connection) -> Indexes:
        """Follow what other workers have committed.

        Returns:
            The indexes of students that moved, came or went.
        """
        touched: set[str] = set()
        changed: set[str] = set()
        for change in read_changes(conn, self.seq):
            self.seq = change.seq
            touched |= {*change.moved, *change.removed}
            changed |= set(change.changed)
        self._followed_at = time.monotonic()
        named = sorted(touched | changed)
        # Another worker, which knows newcomers, may have put them in lists ahead of their own
        # update, and somebody who was deleted and has come back. So what is stored counts, of
        # vectors and of lists, and not what the changes say one by one.
        touched |= {each for each in named if each not in self.index}
        self._read_again(conn, touched)
        for start in range(0, len(named), LOAD_BLOCK):
            block = named[start : start + LOAD_BLOCK]
            rows = read_lists(conn, block)
            newcomers = {member for _, member, _ in rows if member not in self.index}
            self._read_again(conn, newcomers)
            touched |= newcomers
            self._set_lists(block, rows)
        return np.array([self.index[each] for each in touched & self.index.keys()], np.int32)

    def blank(self, ids: Iterable[str]) -> Indexes:
        """Make known students similar to nobody, as a vector of zeros is; returns their indexes."""
        rows = np.array([self.index[student_id] for student_id in ids], np.int32)
        if self.ivf is not None:
            self.ivf.remove(rows)
        elif self.search is Search.exact and len(rows):
            self._grow_vectors(0)
            self.vectors[rows] = 0
        return rows

    def delete_lists(self, conn: psycopg.Connection, ids: Sequence[str]) -> None:
        """Begin these lists anew, stored edges that this copy does not know of included."""
        conn.execute(DELETE_LISTS, {"ids": list(ids)})
        rows = [self.index[student_id] for student_id in ids if student_id in self.index]
        self.set_lists(rows, *rank(Edges.none(), len(rows), self.depth))

    def set_lists(
        self, rows: Indexes | Sequence[int], members: Indexes, sims: Similarities
    ) -> None:
        """Replace lists by those given, shape (len(rows), depth) both."""
        self.members[rows], self.sims[rows] = members, sims
        self.entries[rows] = floors(
            sims, least=settings().min_members, threshold=settings().min_similarity
        )

    def move(self, vectors: Mapping[str, Vectors]) -> Indexes:
        """Note the new vectors of students, who may be new; returns their indexes."""
        self.add(vectors)
        self._set_vectors(vectors)
        return np.array([self.index[student_id] for student_id in vectors], np.int32)

    def names(self, indexes: Indexes) -> list[str]:
        """Student ids of indexes."""
        return [self.ids[i] for i in indexes.tolist()]

    def _read_again(self, conn: psycopg.Connection, ids: Set[str]) -> None:
        """Take in the vectors that students have now; those without one are similar to nobody."""
        vectors = read_vectors(conn, sorted(ids))
        self.add(vectors)
        self._set_vectors(vectors)
        self.blank((ids & self.index.keys()) - vectors.keys())

    def _set_vectors(self, vectors: Mapping[str, Vectors]) -> None:
        if not vectors or self.search is Search.hnsw:
            return
        block = np.stack(list(vectors.values()))
        rows = np.array([self.index[student_id] for student_id in vectors], np.int32)
        if self.ivf is not None:
            self.ivf.put(rows, block)
        else:
            self._grow_vectors(block.shape[1])
            self.vectors[rows] = block

    def _grow_vectors(self, dimensions: int) -> None:
        missing = len(self.members) - len(self.vectors)
        if missing > 0:
            width = dimensions or self.vectors.shape[1]
            old = self.vectors
            self.vectors = np.zeros((len(self.members), width), np.float32)
            self.vectors[: len(old), : old.shape[1]] = old

    def _set_lists(self, ids: Sequence[str], rows: Sequence[Row]) -> None:
        """Replace the lists of `ids` by the rows that are stored for them."""
        known = [self.index[student_id] for student_id in ids if student_id in self.index]
        place = np.full(self.size, -1, np.int32)
        place[known] = np.arange(len(known))
        # Who is not known here came or went after the others were read, in a change that the next
        # sync will follow.
        owners = np.array([self.index.get(owner, -1) for owner, _, _ in rows], np.int32)
        members = np.array([self.index.get(member, -1) for _, member, _ in rows], np.int32)
        sims = np.array([sim for _, _, sim in rows], np.float32)
        edges = Edges(place[owners], members, sims).where((owners >= 0) & (members >= 0))
        self.set_lists(known, *rank(edges, len(known), self.depth))


def delete_strays(conn: psycopg.Connection) -> None:
    """Remove edges that no copy of the graph knows of; in a transaction, under the graph's lock."""
    strays = {a for (a,) in conn.execute(DELETE_STRAYS, model_parameters())}
    if strays:
        record_change(conn, changed=sorted(strays))


def has_other_models(conn: psycopg.Connection) -> bool:
    """Say whether some students have not been embedded by the current model yet."""
    return conn.execute(FIND_OTHER_MODELS, model_parameters()).fetchone() == (True,)


def read_ids(conn: psycopg.Connection) -> list[str]:
    """Read who has a vector of the current model, in the order of ids."""
    return [student_id for (student_id,) in conn.execute(READ_IDS, model_parameters())]


def read_lists(conn: psycopg.Connection, ids: Sequence[str]) -> list[Row]:
    """Read the stored edges of these lists: owner, member, similarity."""
    return conn.cursor(binary=True).execute(READ_LISTS, {"ids": list(ids)}).fetchall()


def _sample(conn: psycopg.Connection, ids: Sequence[str]) -> Iterator[Vectors]:
    chosen = np.random.default_rng(0).permutation(len(ids))[:TRAINING_VECTORS]
    for start in range(0, len(chosen), LOAD_BLOCK):
        vectors = read_vectors(conn, [ids[i] for i in chosen[start : start + LOAD_BLOCK]])
        if vectors:
            yield np.stack(list(vectors.values()))


def read_vectors(conn: psycopg.Connection, ids: Sequence[str]) -> dict[str, Vectors]:
    """Read vectors of the current model, scaled to length 1; students without one are left out."""
    if not ids:
        return {}
    asked = {"ids": list(ids), **model_parameters()}
    rows = conn.cursor(binary=True).execute(READ_VECTORS, asked).fetchall()
    if not rows:
        return {}
    vectors = np.stack([stored.to_numpy() for _, stored in rows]).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # A vector of zeros has no direction, so it is similar to nobody.
    vectors /= np.where(lengths > 0, lengths, 1)
    named = zip((student_id for student_id, _ in rows), vectors, lengths, strict=True)
    return {student_id: vector for student_id, vector, length in named if length > 0}


def model_parameters() -> dict[str, object]:
    """Name the current model as parameters of a query."""
    return {"model": settings().model, "dimensions": settings().embedding_dimensions}
