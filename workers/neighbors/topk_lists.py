"""The arithmetic of the neighbour graph: what moved students do to other students' lists.

A list is a row of two arrays of `depth` places, best first: members (indexes of students, -1 where
empty) and similarities (-inf where empty). Readers see its first places, the rest is slack.

The rule that keeps lists exact: whoever is not in a list is no more similar than the list's last
place, or below the threshold if the list has fewer than `least` members. So a list that loses a
member stays right as long as `least` are left, and only a shorter one has to be searched again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indexes = NDArray[np.int32]
Similarities = NDArray[np.float32]


@dataclass(frozen=True)
class Edges:
    """Edges as three parallel arrays: list owner, member, similarity."""

    owner: Indexes
    member: Indexes
    sim: Similarities

    @classmethod
    def none(cls) -> "Edges":
        """Make an empty set of edges."""
        return cls(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))

    def __len__(self) -> int:
        return len(self.owner)

    def where(self, keep: NDArray[np.bool_]) -> "Edges":
        """Select the edges that `keep` marks."""
        return Edges(self.owner[keep], self.member[keep], self.sim[keep])

    def join(self, other: "Edges") -> "Edges":
        """These edges and then the others."""
        return Edges(
            np.concatenate([self.owner, other.owner]),
            np.concatenate([self.member, other.member]),
            np.concatenate([self.sim, other.sim]),
        )

    def fill(self, other: "Edges") -> "Edges":
        """These edges, and those of the others whose pair is not among them."""
        return self.join(
            other.where(
                ~among(pair_keys(other.owner, other.member), pair_keys(self.owner, self.member))
            )
        )

    def reversed(self) -> "Edges":
        """Turn the pairs around: seen from the other end."""
        return Edges(self.member, self.owner, self.sim)


@dataclass(frozen=True)
class Repaired:
    """New rows of the touched lists, and which of them are too short to be sure of."""

    members: Indexes
    sims: Similarities
    short: NDArray[np.bool_]


def floors(sims: Similarities, *, least: int, threshold: float) -> Similarities:
    """Per list the similarity that a student outside it must reach to get in.

    Args:
        sims: lists of shape (n, depth), `depth` at least `least`.

    Returns:
        Shape (n,): the last member's similarity, or the threshold for a list shorter than `least`.
    """
    # Lists are best first, so whether one is full and where it ends is seen in its last places.
    last = sims[:, least - 1].copy()
    full = last > -np.inf
    for place in range(least, sims.shape[1]):
        np.copyto(last, sims[:, place], where=sims[:, place] > -np.inf)
    return np.where(full, np.maximum(last, threshold), threshold).astype(np.float32)


def repair_lists(
    members: Indexes,
    sims: Similarities,
    moved: NDArray[np.bool_],
    offers: Edges,
    *,
    least: int,
    threshold: float,
) -> Repaired:
    """Take moved students out of lists and let them in again where they belong now.

    Args:
        members, sims: the touched lists as they are, shape (n, depth).
        moved: by student index, who has moved.
        offers: moved students with their new similarity; `owner` is the row in `members`. At most
            one offer for a pair.

    Returns:
        The lists as they are now. `short` marks those that lost so many members that someone
        outside may belong in them.
    """
    count, depth = members.shape
    occupied = members >= 0
    was_full = occupied.sum(axis=1) >= least
    floor = floors(sims, least=least, threshold=threshold)
    stays = occupied & ~moved[members]
    stay_rows, stay_places = np.nonzero(stays)
    accepted = offers.where(offers.sim >= floor[offers.owner])
    rows = np.concatenate([stay_rows.astype(np.int32), accepted.owner])
    b = np.concatenate([members[stay_rows, stay_places], accepted.member])
    sim = np.concatenate([sims[stay_rows, stay_places], accepted.sim])
    new_members, new_sims = rank(Edges(rows, b, sim), count, depth)
    short = was_full & ((new_members >= 0).sum(axis=1) < least)
    return Repaired(new_members, new_sims, short)


def rank(edges: Edges, count: int, depth: int) -> tuple[Indexes, Similarities]:
    """Rank the best `depth` edges of each owner 0..count-1 as lists."""
    # One key for owner and similarity, which is in [-1, 1]: a third of the time of a sort by both.
    order = np.argsort(edges.owner * 4.0 - edges.sim)
    a = edges.owner[order]
    starts = np.searchsorted(a, np.arange(count))
    places = np.arange(len(a)) - starts[a]
    fits = places < depth
    members = np.full((count, depth), -1, np.int32)
    sims = np.full((count, depth), -np.inf, np.float32)
    members[a[fits], places[fits]] = edges.member[order][fits]
    sims[a[fits], places[fits]] = edges.sim[order][fits]
    return members, sims


@dataclass(frozen=True)
class Difference:
    """What turns old lists into new ones: edges to delete, to correct and to insert."""

    deleted: Edges
    corrected: Edges
    inserted: Edges


def compare_lists(
    owners: Indexes,
    old: tuple[Indexes, Similarities],
    new: tuple[Indexes, Similarities],
) -> Difference:
    """Find the edges in which two sets of lists of the same owners differ.

    Args:
        owners: the student index of each row.
        old, new: members and similarities, shape (len(owners), depth).
    """
    before, after = _in_order(owners, *old), _in_order(owners, *new)
    before_keys, after_keys = (
        pair_keys(before.owner, before.member),
        pair_keys(after.owner, after.member),
    )
    place = np.searchsorted(before_keys, after_keys)
    place_in_range = np.minimum(place, max(len(before_keys) - 1, 0))
    known = (
        before_keys[place_in_range] == after_keys
        if len(before_keys)
        else np.zeros(len(after_keys), bool)
    )
    same = np.zeros(len(after), bool)
    same[known] = before.sim[place_in_range[known]] == after.sim[known]
    kept = np.zeros(len(before), bool)
    kept[place_in_range[known]] = True
    return Difference(before.where(~kept), after.where(known & ~same), after.where(~known))


def occupied(owners: Indexes, members: Indexes, sims: Similarities) -> Edges:
    """Read the occupied places of lists as edges; `owners` holds the student index of each row."""
    rows, places = np.nonzero(members >= 0)
    return Edges(owners[rows], members[rows, places], sims[rows, places])


def pair_keys(a: Indexes, b: Indexes) -> NDArray[np.int64]:
    """Number each pair of students."""
    return (a.astype(np.int64) << 32) | b


def among(keys: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which of a few keys are among many others; isin() takes thirty times as long."""
    if not len(others):
        return np.zeros(len(keys), bool)
    ordered = np.sort(others)
    place = np.searchsorted(ordered, keys)
    found: NDArray[np.bool_] = ordered[np.minimum(place, len(ordered) - 1)] == keys
    return found


def _in_order(owners: Indexes, members: Indexes, sims: Similarities) -> Edges:
    """Read the occupied places as edges, ordered by owner and member."""
    edges = occupied(owners, members, sims)
    order = np.argsort(pair_keys(edges.owner, edges.member))
    return Edges(edges.owner[order], edges.member[order], edges.sim[order])
