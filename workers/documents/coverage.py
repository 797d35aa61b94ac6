"""How much of the collection the feature store reflects; of a large one by a sample.

A sample is some pages of documents behind ids where batches of the last full run began.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from workers.core.queries import query
from workers.core.settings import settings
from workers.core.stores import connection
from workers.documents import source, store
from workers.documents.failures import count_failures
from workers.documents.versions import Version, active_version

SAMPLE_STARTS = query("documents/coverage.sample_starts")

# Up to so many documents every one is looked at, beyond it so many of them.
MEASURED_AT_ONCE = 20_000


@dataclass(frozen=True)
class Coverage:
    """How much of the collection the store reflects; `coverage` is fresh / documents, in [0, 1].

    `oldest_stale_s` is how long ago the oldest change was made that the store does not reflect.
    `ok` says whether that is within `limit_s`; documents that failed do not count, they are listed.
    `looked_at` is how many documents this was measured on; with fewer than all of them the counts
    are those of the sample, scaled up.
    """

    version: str
    documents: int
    fresh: int
    stale: int
    missing: int
    failed: int
    coverage: float
    oldest_ts: datetime | None
    oldest_stale_s: float | None
    limit_s: float
    ok: bool
    measured_at: datetime
    looked_at: int


@dataclass
class _Tally:
    """What was found; dates of changes are None where MongoDB has none."""

    fresh: int = 0
    stale: list[datetime] = field(default_factory=list)
    missing: list[datetime | None] = field(default_factory=list)
    oldest_ts_ms: int | None = None

    @property
    def looked_at(self) -> int:
        """How many documents."""
        return self.fresh + len(self.stale) + len(self.missing)


def measure_coverage() -> Coverage:
    """Measure how much of the collection the active version reflects.

    Raises:
        SourceError: MongoDB cannot be read.
        UnknownKeyError: no version is active.
    """
    version, now = active_version(), datetime.now(UTC)
    documents = source.count_documents()
    pages = _walk() if documents <= MEASURED_AT_ONCE else _sample(version)
    tally = _Tally()
    for stamps in pages:
        _look_at(version, stamps, tally)
    failed = count_failures(version.version)
    if documents <= MEASURED_AT_ONCE:
        # By the collection's metadata: those without an id are in no walk.
        missing = max(documents - tally.fresh - len(tally.stale), 0)
        fresh, stale = tally.fresh, len(tally.stale)
    else:
        scale = documents / tally.looked_at if tally.looked_at else 0.0
        fresh, stale = round(tally.fresh * scale), round(len(tally.stale) * scale)
        missing = documents - fresh - stale
    # More are missing than failed: some of them wait.
    waiting = tally.missing if missing > failed else []
    changes = [at for at in (*tally.stale, *waiting) if at is not None]
    oldest_stale_s = (now - min(changes)).total_seconds() if changes else None
    limit_s = settings().document_staleness_limit_seconds
    unknown = missing > failed and not (waiting and all(waiting))
    return Coverage(
        version=version.version,
        documents=documents,
        fresh=fresh,
        stale=stale,
        missing=missing,
        failed=failed,
        coverage=fresh / documents if documents else 1.0,
        oldest_ts=_time(tally.oldest_ts_ms),
        oldest_stale_s=oldest_stale_s,
        limit_s=limit_s,
        ok=not unknown and (oldest_stale_s is None or oldest_stale_s <= limit_s),
        measured_at=now,
        looked_at=tally.looked_at,
    )


def _walk() -> Iterator[dict[str, datetime | None]]:
    """Walk through every document with an id, a page at a time."""
    after = ""
    while ids := source.ids_after(after, settings().document_batch_size):
        yield source.stamps_between(after, ids[-1])
        after = ids[-1]


def _sample(version: Version) -> Iterator[dict[str, datetime | None]]:
    """Draw pages by chance; none if no full run has ended yet."""
    size = settings().document_batch_size
    with connection() as conn:
        starts = conn.execute(
            SAMPLE_STARTS,
            {"version": version.version, "starts": max(MEASURED_AT_ONCE // size, 1)},
        ).fetchall()
    for (after,) in starts:
        ids = source.ids_after(after, size)
        if ids:
            yield source.stamps_between(after, ids[-1])


def _look_at(version: Version, stamps: dict[str, datetime | None], tally: _Tally) -> None:
    heads = store.stored_heads(version.version, version.codec, list(stamps))
    good = heads.found & (heads.dimensions == version.dimensions)
    for modified_at, is_good, ts_ms in zip(
        stamps.values(), good.tolist(), heads.ts_ms.tolist(), strict=True
    ):
        if not is_good:
            tally.missing.append(modified_at)
            continue
        tally.oldest_ts_ms = min(ts_ms, tally.oldest_ts_ms or ts_ms)
        if modified_at is not None and modified_at.timestamp() * 1000 > ts_ms:
            tally.stale.append(modified_at)
        else:
            tally.fresh += 1


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
