"""Texts to vectors: providers, the local embedder, limits, validation."""
