"""Versions of the documents' vectors: built side by side, read one at a time."""

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from workers.core.errors import UnknownKeyError, VersionStateError
from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection, transaction
from workers.core.vocabulary import Codec, EmbeddingSpec
from workers.documents import store

LOCK = query("documents/versions.lock_versions")
FIND = query("documents/versions.find_version")
ADD = query("documents/versions.add_version")
REVIVE = query("documents/versions.revive_version")
LIST = query("documents/versions.list_versions")
IS_BUILT = query("documents/versions.is_built")
RETIRE = query("documents/versions.retire")
SET_STATE = query("documents/versions.set_state")
REMOVABLE = query("documents/versions.removable")
DELETE = query("documents/versions.delete_version")

SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Version:
    """One way to compute and store vectors; `state` is building, active, previous or retired."""

    version: str
    model: str
    dimensions: int
    codec: Codec
    state: str
    created_at: datetime
    activated_at: datetime | None
    remove_after: datetime | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "codec", Codec(self.codec))

    @property
    def spec(self) -> EmbeddingSpec:
        """What its embedder is made for."""
        return EmbeddingSpec(self.model, self.dimensions)


def versions_to_keep_fresh() -> list[Version]:
    """Name the settings' version, made if there is none, and the one that is read meanwhile."""
    spec, codec = settings().document_embedding, settings().document_codec
    wanted = {"model": spec.model, "dimensions": spec.dimensions, "codec": codec}
    with transaction() as conn:
        conn.execute(LOCK)
        cursor = conn.cursor(row_factory=class_row(Version))
        found = cursor.execute(FIND, wanted).fetchone() or cursor.execute(ADD, wanted).fetchone()
        assert found is not None  # noqa: S101  # the INSERT returns its row
        conn.execute(REVIVE, {"version": found.version})
        kept = [
            version
            for version in cursor.execute(LIST).fetchall()
            if version.state == "active" or version.version == found.version
        ]
    publish_active()
    return kept


def list_versions() -> list[Version]:
    """List all versions, the active one first."""
    with connection() as conn:
        return conn.cursor(row_factory=class_row(Version)).execute(LIST).fetchall()


def named_versions(names: list[str]) -> list[Version]:
    """Find which of these versions still exist."""
    return [version for version in list_versions() if version.version in names]


def active_version() -> Version:
    """Find the version that is read.

    Raises:
        UnknownKeyError: none, because no run has begun yet.
    """
    for version in list_versions():
        if version.state == "active":
            return version
    raise UnknownKeyError("no_active_version", "documents have not been computed yet")


def publish_active() -> None:
    """Tell Redis which version is read: after Redis lost its data, or the first run began."""
    store.set_active(active_version().version)


def activate(name: str) -> list[Version]:
    """Switch reads to a version that has been built; the one before it is kept for a rollback.

    Raises:
        UnknownKeyError: there is no such version.
        VersionStateError: it is active already, being removed, or not built.
    """
    with transaction() as conn:
        conn.execute(LOCK)
        version = _find(conn, name)
        if version.state in ("active", "retired"):
            raise VersionStateError(version.state, f"version {name} is {version.state}")
        if version.version in _removable(conn):
            raise VersionStateError("retired", f"the grace of version {name} is over")
        built = conn.execute(IS_BUILT, {"version": name}).fetchone()
        if not (built and built[0]):
            raise VersionStateError(
                "not_built", f"no run over all documents has ended well with version {name}"
            )
        _switch(conn, name)
    return list_versions()


def roll_back() -> list[Version]:
    """Switch reads back to the previous version, and keep the present one likewise.

    Raises:
        VersionStateError: there is none, or its grace is over.
    """
    with transaction() as conn:
        conn.execute(LOCK)
        cursor = conn.cursor(row_factory=class_row(Version))
        removable = _removable(conn)
        previous = [
            row
            for row in cursor.execute(LIST)
            if row.state == "previous" and row.version not in removable
        ]
        if not previous:
            raise VersionStateError("no_previous_version", "there is no version to go back to")
        _switch(conn, previous[0].version)
    return list_versions()


def removable_versions() -> list[str]:
    """Find versions whose grace is over."""
    with connection() as conn:
        return _removable(conn)


def forget_version(name: str) -> None:
    """Drop a version whose keys have been removed."""
    with connection() as conn:
        conn.execute(DELETE, {"version": name})


def _removable(conn: psycopg.Connection) -> list[str]:
    return [name for (name,) in conn.execute(REMOVABLE)]


def _find(conn: psycopg.Connection, name: str) -> Version:
    for version in conn.cursor(row_factory=class_row(Version)).execute(LIST):
        if version.version == name:
            return version
    raise UnknownKeyError("unknown_version", name)


def _switch(conn: psycopg.Connection, name: str) -> None:
    active = next(
        row
        for row in conn.cursor(row_factory=class_row(Version)).execute(LIST)
        if row.state == "active"
    )
    grace = {"grace_seconds": settings().document_version_grace_days * SECONDS_A_DAY}
    conn.execute(RETIRE, {"version": name})
    # The index allows one version of each state at any moment.
    conn.execute(SET_STATE, {"version": name, "state": "building", **grace})
    conn.execute(SET_STATE, {"version": active.version, "state": "previous", **grace})
    conn.execute(SET_STATE, {"version": name, "state": "active", **grace})
    # Last, so that nothing is switched if Redis does not answer.
    store.set_active(name)
