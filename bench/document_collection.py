"""Documents of the bench: short English-like texts from a seeded vocabulary, 60 words each."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from workers.documents.source import reading

VOCABULARY = 20_000
WORDS = 60
TOPICS = 500
TOPIC_WORDS = 40
WRITE = 5000
MODIFIED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def texts(count: int) -> Iterator[str]:
    """Two thirds of the words come from the document's topic, so that some texts are near."""
    rng = np.random.default_rng(7)
    words = np.array([f"word{n}" for n in range(VOCABULARY)])
    topics = rng.integers(0, VOCABULARY, (TOPICS, TOPIC_WORDS))
    for start in range(0, count, WRITE):
        rows = min(WRITE, count - start)
        own = topics[rng.integers(0, TOPICS, rows)]
        near = np.take_along_axis(own, rng.integers(0, TOPIC_WORDS, (rows, WORDS * 2 // 3)), axis=1)
        far = rng.integers(0, VOCABULARY, (rows, WORDS - near.shape[1]))
        for chosen in np.concatenate([near, far], axis=1):
            yield " ".join(words[chosen])


def fill_collection(count: int) -> None:
    """Documents D0000000 and on, with their indexes, unless the collection has them already."""
    with reading() as collection:
        if collection.estimated_document_count() >= count:
            return
        batch = []
        for number, text in enumerate(texts(count)):
            batch.append(
                {
                    "doc_id": f"D{number:07}",
                    "title": text[:40],
                    "body": text,
                    "language": "en",
                    "modified_at": MODIFIED_AT,
                }
            )
            if len(batch) == WRITE or number == count - 1:
                collection.insert_many(batch)
                batch = []
        collection.create_index("doc_id")
        collection.create_index("modified_at")
