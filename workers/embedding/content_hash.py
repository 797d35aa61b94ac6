"""The hash that says whether a text has to be embedded again."""

import hashlib

from workers.core.vocabulary import EmbeddingSpec


def content_hash(spec: EmbeddingSpec, text: str) -> bytes:
    """Hash everything that decides a vector: model, dimensions and text, by SHA-256."""
    return hashlib.sha256(f"{spec.model}\0{spec.dimensions}\0{text}".encode()).digest()
