"""Texts hashed on this machine: words count, processes agree, nothing else is known."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer

from workers.core.vocabulary import EmbeddingSpec
from workers.embedding.hashing import WORD, HashingEmbedder
from workers.embedding.texts import validate

ROOT = Path(__file__).parents[2]
TEXT = "Reading level 4.2, late elementary.\nGenres: fantasy 67%, mystery 33%."


@pytest.mark.parametrize("dimensions", [8, 256, 300, 1536, 4000])
def test_hashing_gives_unit_vectors_of_any_dimension(dimensions: int) -> None:
    vectors = HashingEmbedder(EmbeddingSpec("hashing", dimensions)).embed_batch([TEXT, "dragons"])
    assert vectors.shape == (2, dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-6)
    for vector in vectors:
        validate(vector, dimensions)


def test_hashing_gives_what_scikit_learns_vectorizer_gives() -> None:
    texts = [
        TEXT,
        "One word",
        "naïve naïve Straße",
        "अनुभव की बात",
        "日本 の 本",
        "İstanbul",
        "!?",
        "",
    ]
    vectorizer = HashingVectorizer(
        n_features=300,
        ngram_range=(1, 2),
        dtype=np.float32,
        tokenizer=lambda text: WORD.findall(text) or list(text),
        token_pattern=None,
    )
    hashed = HashingEmbedder(EmbeddingSpec("hashing", 300)).embed_batch(texts)
    assert np.array_equal(hashed, vectorizer.transform(texts).toarray())
    assert hashed[:-1].any(axis=1).all()


def test_hashing_is_the_same_in_every_process() -> None:
    code = f"""
import sys
from workers.embedding.hashing import HashingEmbedder
from workers.core.vocabulary import EmbeddingSpec
embedder = HashingEmbedder(EmbeddingSpec("hashing", 300))
sys.stdout.buffer.write(embedder.embed_batch([{TEXT!r}]).tobytes())
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {HashingEmbedder(EmbeddingSpec("hashing", 300)).embed_batch([TEXT]).tobytes()}


def test_hashing_puts_texts_of_the_same_words_closer_than_others() -> None:
    same, near, far = HashingEmbedder(EmbeddingSpec("hashing", 1536)).embed_batch(
        ["dragons and castles", "castles and dragons", "stars of the southern sky"]
    )
    assert same @ near > 0.5 > abs(same @ far)
