"""Settings for tests of neighbours that need many small vectors."""

import pytest

from workers.core.settings import settings

DIMENSIONS = 16


@pytest.fixture
def small_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_DIMENSIONS", str(DIMENSIONS))
    monkeypatch.setenv("MAX_NEIGHBORS", "5")
    monkeypatch.setenv("NEIGHBOR_SLACK", "3")
    settings.cache_clear()
