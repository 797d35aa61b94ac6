"""Write the edges in which the graph differs: delete, correct, COPY."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import psycopg

from workers.core.queries import query
from workers.neighbors.topk_lists import Difference, Edges, Indexes

WRITE_SETTINGS = query("neighbors/edges.write_settings")
DELETE_EDGES = query("neighbors/edges.delete_edges")
UPDATE_EDGES = query("neighbors/edges.update_edges")
COPY_EDGES = query("neighbors/edges.copy_edges")


def write_edges(
    conn: psycopg.Connection,
    ids: Sequence[str],
    difference: Difference,
    causes: Mapping[int, UUID | None],
) -> None:
    """Apply a difference inside the caller's transaction, under the graph's lock.

    Args:
        ids: student ids by index.
        causes: the event behind changed edges by student index. The member's counts first, since
            it is usually the one that moved, then the owner's.
    """

    def names(indexes: Indexes) -> list[str]:
        return [ids[index] for index in indexes.tolist()]

    def events(edges: Edges) -> list[UUID | None]:
        return [
            causes.get(b) or causes.get(a)
            for a, b in zip(edges.owner.tolist(), edges.member.tolist(), strict=True)
        ]

    conn.execute(WRITE_SETTINGS)
    deleted, corrected, inserted = difference.deleted, difference.corrected, difference.inserted
    if len(deleted):
        conn.execute(
            DELETE_EDGES,
            {"a": names(deleted.owner), "b": names(deleted.member)},
            prepare=True,
        )
    if len(corrected):
        conn.execute(
            UPDATE_EDGES,
            {
                "a": names(corrected.owner),
                "b": names(corrected.member),
                "sim": corrected.sim.tolist(),
                "last_event": events(corrected),
            },
            prepare=True,
        )
    if len(inserted):
        with conn.cursor().copy(COPY_EDGES) as copy:
            copy.set_types(["text", "text", "float4", "uuid"])
            for row in zip(
                names(inserted.owner),
                names(inserted.member),
                inserted.sim.tolist(),
                events(inserted),
                strict=True,
            ):
                copy.write_row(row)
