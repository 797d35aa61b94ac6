"""What the semantic embedder finds in the sample, with hashing beside it."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.core.vocabulary import HASHING_MODEL, SEMANTIC_MODEL, Codec, EmbeddingSpec
from workers.documents.codecs import decode, encode
from workers.embedding.embedders import embedder

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parents[2] / "sample"
LABEL = re.compile(r"(?<=[.?] )([A-Z][a-z ]+): ")
NEAREST = 10


def read(name: str) -> list[dict[str, str]]:
    with (SAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def posts_without_label() -> tuple[list[str], list[set[str]]]:
    """Texts of the posts without the word for what they are about, and that word."""
    texts = [row["text"] for row in read("posts.csv")]
    labels = [LABEL.findall(text) for text in texts]
    assert all(len(found) == 1 for found in labels)
    return [LABEL.sub("", text) for text in texts], [set(found) for found in labels]


def books_without_genres() -> tuple[list[str], list[set[str]]]:
    """What the catalogue says of each book without any genre's name, and its genres."""
    rows = read("catalog.csv")
    genres = [set(json.loads(row["genre"])) for row in rows]
    names = re.compile(rf"\b({'|'.join(sorted(set().union(*genres), key=len)[::-1])})\b", re.I)
    texts = [
        names.sub(
            "",
            f"{row['title']} by {row['author']}. {', '.join(json.loads(row['keywords']))}."
            f" {row['description']}",
        )
        for row in rows
    ]
    return texts, genres


def vectors(model: str, dimensions: int, texts: list[str]) -> NDArray[np.float32]:
    return embedder(EmbeddingSpec(model, dimensions)).embed_batch(texts)


def agreement(rows: NDArray[np.float32], labels: Sequence[set[str]]) -> float:
    """The share of everybody's ten nearest that have a label in common with them."""
    likeness = rows @ rows.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :NEAREST]
    return float(
        np.mean([bool(labels[n] & labels[other]) for n in range(len(rows)) for other in nearest[n]])
    )


def test_posts_find_posts_of_the_same_taste_without_its_name(fresh_settings: None) -> None:
    texts, labels = posts_without_label()
    assert agreement(vectors(HASHING_MODEL, 384, texts), labels) < 0.65
    assert agreement(vectors(SEMANTIC_MODEL, 384, texts), labels) >= 0.85


def test_books_find_books_of_the_same_genre_without_its_name(fresh_settings: None) -> None:
    texts, genres = books_without_genres()
    assert agreement(vectors(HASHING_MODEL, 1536, texts), genres) < 0.4
    for dimensions in (300, 384, 1536):
        assert agreement(vectors(SEMANTIC_MODEL, dimensions, texts), genres) >= 0.46


@pytest.mark.parametrize("dimensions", [300, 384])
def test_int8_keeps_the_ten_nearest(fresh_settings: None, dimensions: int) -> None:
    texts = [*posts_without_label()[0], *books_without_genres()[0]]
    exact = vectors(SEMANTIC_MODEL, dimensions, texts)
    count = len(exact)
    values = encode(Codec.int8, "v", exact, np.ones(count, np.int64), np.zeros(count, np.uint32))
    kept = decode(values).vectors
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    recall = []
    for row in range(0, count, 5):
        true = exact @ exact[row]
        found = np.argsort(-(kept @ exact[row]))[:NEAREST]
        recall.append((true[found] >= np.partition(true, -NEAREST)[-NEAREST] - 1e-6).mean())
    assert np.mean(recall) >= 0.98
