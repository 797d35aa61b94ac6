"""What must hold once everything has settled: what is derived equals what the facts give."""

import numpy as np
from numpy.typing import NDArray

from tests.embeddings_server import vector_of
from tests.graph import assert_graph_is_exact
from tests.library import rows
from workers.core.settings import settings
from workers.embedding.content_hash import content_hash
from workers.embedding.embedders import embedder
from workers.students import recompute


def assert_derived_is_right() -> None:
    """Every student that is not dead has the vector of its facts, and the graph is exact."""
    dead = {key for (key,) in rows("SELECT key FROM freshness WHERE dead_at IS NOT NULL")}
    students = {key for (key,) in rows("SELECT key FROM freshness WHERE kind='student_embedding'")}
    stored = stored_vectors()
    drafts = recompute._draft(sorted(students - dead))
    stale = [key for key, draft in drafts.items() if not draft.unchanged]
    assert stale == []
    assert stored.keys() >= drafts.keys()
    _assert_vectors_belong_to_their_texts(
        {key: draft.text for key, draft in drafts.items()}, stored
    )
    assert_graph_is_exact(stored)
    assert_nothing_is_half_written()


def stored_vectors() -> dict[str, NDArray[np.float32]]:
    """Students' vectors of the present model."""
    found = rows("SELECT student_id, vec FROM student_embeddings")
    return {student_id: vec.to_numpy() for student_id, vec in found}


def assert_nothing_is_half_written() -> None:
    """Holds at every moment: vectors of the profiles beside them, edges that agree.

    The two directions of an edge may differ only while one of the two students is stale.
    """
    spec = settings().student_embedding
    for student_id, text, digest in rows(
        "SELECT student_id, text, content_hash FROM student_profiles"
        " JOIN student_embeddings USING (student_id) WHERE (model, dimensions) = (%s, %s)",
        spec.model,
        spec.dimensions,
    ):
        assert content_hash(spec, text) == digest, student_id
    disagreeing = rows(
        "SELECT x.a, x.b, x.sim, y.sim FROM student_similarity x"
        " JOIN student_similarity y ON (x.a, x.b) = (y.b, y.a) WHERE abs(x.sim - y.sim) > 1e-5"
        " AND NOT EXISTS (SELECT FROM freshness WHERE kind = 'student_neighbors'"
        " AND key IN (x.a, x.b) AND wanted > done)"
    )
    assert disagreeing == []
    ((strays,),) = rows(
        "SELECT count(*) FROM student_similarity WHERE a = b OR sim < 0 OR sim > 1"
        " OR NOT EXISTS (SELECT FROM student_embeddings WHERE student_id = b)"
    )
    assert strays == 0


def _assert_vectors_belong_to_their_texts(
    texts: dict[str, str], stored: dict[str, NDArray[np.float32]]
) -> None:
    """By the model of this machine, or as the tests' provider would answer without being asked."""
    for key, text in texts.items():
        vector = (
            embedder(settings().student_embedding).embed_batch([text])[0]
            if settings().embedder == "local"
            else vector_of(text, settings().embedding_dimensions)
        )
        np.testing.assert_allclose(stored[key], vector, atol=1e-6, err_msg=key)
