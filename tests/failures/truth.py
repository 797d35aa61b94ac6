"""What must hold once everything has settled: what is derived equals what the facts give."""

import numpy as np
from numpy.typing import NDArray

from tests.graph import assert_graph_is_exact
from tests.library import rows
from workers import recompute_student
from workers.embedders import embedder
from workers.settings import settings


def assert_derived_is_right() -> None:
    """Every student that is not dead has the vector of its facts, and the graph is exact."""
    dead = {key for (key,) in rows("SELECT key FROM freshness WHERE dead_at IS NOT NULL")}
    students = {key for (key,) in rows("SELECT key FROM freshness WHERE kind='student_embedding'")}
    stored = stored_vectors()
    drafts = recompute_student._draft(sorted(students - dead))
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
    """Holds at every moment: whole vectors, and whole lists of those that have a vector."""
    assert (
        rows("SELECT student_id FROM student_embeddings WHERE vector_dims(vec) <> dimensions") == []
    )
    ((strays,),) = rows(
        "SELECT count(*) FROM student_similarity WHERE a = b OR sim < 0 OR sim > 1"
        " OR NOT EXISTS (SELECT FROM student_embeddings WHERE student_id = b)"
    )
    assert strays == 0


def _assert_vectors_belong_to_their_texts(
    texts: dict[str, str], stored: dict[str, NDArray[np.float32]]
) -> None:
    """Only for the embedder that needs no server; a provider would be asked again."""
    if settings().embedder != "hashing" or not texts:
        return
    expected = embedder(settings().student_embedding).embed_batch(list(texts.values()))
    for key, vector in zip(texts, expected, strict=True):
        np.testing.assert_allclose(stored[key], vector, atol=1e-6, err_msg=key)
